"""What all runs of a host share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labq.bench.disk import Disk
from labq.bench.outbox import Outbox
from labq.bench.run_folder import HostFolder
from labq.bench.shipper import Shipper
from labq.benchlink.keeper import KeeperClient
from labq.config import Settings
from labq.domain.plan import Queue


@dataclass(frozen=True, slots=True)
class Host:
    """Folder, disk, what goes out, what keeps descriptors, and the limits."""

    settings: Settings
    folder: HostFolder
    disk: Disk
    outbox: Outbox
    shipper: Shipper
    keeper: KeeperClient
    limits: Mapping[Queue, int]

    async def settle(self, journal: int) -> None:
        """Put the newest event of a journal on disk, then let it be shipped."""
        sequence = self.outbox.last
        await self.disk.sync((self.outbox.file, journal))
        self.outbox.show(sequence)
        self.shipper.wake()
