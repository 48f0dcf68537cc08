"""Keeps the host's disk from being full: grants nothing when little is left, ends the biggest run.

What is free is what the disk has left, or what LABQ_HOST_BYTES leaves of the host folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labq.actions.steps.cache import Cache
from labq.bench import endings
from labq.bench.endings import Floor
from labq.bench.reserve import Reserve
from labq.bench.stand import Stand
from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, Failure

SHUT = "the disk is nearly full"
LOOK_SECONDS = 1.0
# So long the run that was ended has to give its space back before the next one is ended.
RELIEF_SECONDS = 30.0
MIB = 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Space:
    """What is left of the disk or of the folder's share, and what the host keeps for itself."""

    free: int
    total: int
    reserve: int

    @property
    def is_short(self) -> bool:
        """Tell whether the host's reserve is touched."""
        return self.free < self.reserve


class DiskGuard:
    """Looks after one host folder; `notice` says in words what is wrong, empty when nothing is."""

    def __init__(self, floor: Floor, settings: Settings, reserve: Reserve) -> None:
        self._floor = floor
        self._settings = settings
        self._folder = settings.bench_folder
        self._reserve = reserve
        self._relief: Deadline | None = None
        self.notice = ""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self._look()
            except OSError as error:
                log.warning("the disk cannot be looked at: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        space = await asyncio.to_thread(self._measure)
        if not space.is_short:
            self._relax()
            return
        self._reserve.free()
        if not self.notice:
            log.error("the disk is nearly full: %s", _describe(self._folder, space))
        self.notice = f"no new steps: {_describe(self._folder, space)}"
        self._floor.shut.add(SHUT)
        await asyncio.to_thread(self._clear, space, self._closed())
        if self._relief is None or self._relief.is_over():
            await self._end_biggest(space)

    def _relax(self) -> None:
        self._relief = None
        self._reserve.make()
        if self.notice:
            self.notice = ""
            self._floor.shut.discard(SHUT)
            self._floor.pump()

    def _measure(self) -> Space:
        disk, share = shutil.disk_usage(self._folder), self._settings.host_bytes
        reserve = self._settings.host_reserve_bytes
        if not share:
            return Space(disk.free + self._reserve.size, disk.total, reserve)
        left = max(0, share - used_bytes(self._folder) + self._reserve.size)
        return Space(min(left, disk.free + self._reserve.size), share, reserve)

    def _clear(self, space: Space, closed: Iterable[Path]) -> None:
        """Remove what nobody needs: cached downloads, files of runs that are over."""
        for folder in closed:
            shutil.rmtree(folder / "files", ignore_errors=True)
        cache = self._folder / "cache"
        if cache.exists():
            held = used_bytes(cache / "objects")
            Cache(cache, max(0, held - (space.reserve - space.free))).evict()

    def _closed(self) -> list[Path]:
        stands = self._floor.stands.values()
        return [one.run.folder for one in stands if one.run.gate.is_closed]

    async def _end_biggest(self, space: Space) -> None:
        """End the run that holds most; its `collect` follows and gives the device back."""
        self._relief = Deadline.after(RELIEF_SECONDS)
        working = [one for one in self._floor.stands.values() if _may_be_ended(one)]
        sizes = [(await asyncio.to_thread(used_bytes, one.run.folder), one) for one in working]
        if not sizes:
            return
        size, stand = max(sizes, key=lambda item: item[0])
        text = (
            f"the disk of the host is full: {_describe(self._folder, space)}; run "
            f"{stand.run.plan.run} holds most of it, {size // MIB} MiB"
        )
        failure = Failure(type=ErrorType.INFRASTRUCTURE, message=text)
        await endings.finish(self._floor, stand, failure)
        shutil.rmtree(stand.run.folder / "files", ignore_errors=True)
        (stand.run.folder / "files").mkdir(exist_ok=True, mode=0o755)


def used_bytes(folder: Path) -> int:
    """Return what a folder takes on its disk; what it shares by links is not its own."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(Path(place) / name)
            except OSError:
                continue
            total += found.st_blocks * 512 if found.st_nlink == 1 else 0
    return total


def _may_be_ended(stand: Stand) -> bool:
    gate = stand.run.gate
    return not gate.is_closed and stand.run.step != stand.run.plan.collect


def _describe(folder: Path, space: Space) -> str:
    return (
        f"{folder} has {space.free // MIB} MiB of {space.total // MIB} MiB left, "
        f"{space.reserve // MIB} MiB are kept for the host"
    )
