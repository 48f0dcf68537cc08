"""What all runs of a host share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from labq.bench.disk import Disk
from labq.bench.limits import Limits
from labq.bench.outbox import Outbox
from labq.bench.reserve import Reserve
from labq.bench.run_folder import HostFolder
from labq.bench.shipper import Shipper
from labq.bench.uploads import Uploads
from labq.benchlink.keeper import KeeperClient
from labq.config import Settings

GATHER_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Host:
    """Folder, disk, what goes out, what keeps descriptors, and the limits."""

    settings: Settings
    folder: HostFolder
    disk: Disk
    outbox: Outbox
    shipper: Shipper
    keeper: KeeperClient
    limits: Limits
    reserve: Reserve
    uploads: Uploads = field(default_factory=Uploads)
    _settling: set[asyncio.Task[None]] = field(default_factory=set)
    _unsettled: set[int] = field(default_factory=set)

    def settle_soon(self, journal: int) -> None:
        """Do `settle` a little later, for all journals together: nobody is answered for them."""
        if not self._unsettled:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._settle_gathered)
        self._unsettled.add(journal)

    async def settle(self, *journals: int) -> None:
        """Put the newest events of these journals on disk, then let them be shipped."""
        sequence = self.outbox.last
        await self.disk.sync((self.outbox.file, *journals))
        self.outbox.show(sequence)
        self.shipper.wake()

    def _settle_gathered(self) -> None:
        journals = tuple(self._unsettled)
        self._unsettled.clear()
        task = asyncio.get_running_loop().create_task(self.settle(*journals))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
