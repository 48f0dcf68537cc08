"""What all runs of a host share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    _settling: set[asyncio.Task[None]] = field(default_factory=set)

    def settle_soon(self, journal: int) -> None:
        """Do `settle` without waiting: for events that nobody is answered for."""
        task = asyncio.get_running_loop().create_task(self.settle(journal))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def settle(self, journal: int) -> None:
        """Put the newest event of a journal on disk, then let it be shipped."""
        sequence = self.outbox.last
        await self.disk.sync((self.outbox.file, journal))
        self.outbox.show(sequence)
        self.shipper.wake()
