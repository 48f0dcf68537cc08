"""Ends the run whose emulator or program takes too much memory, before the host suffers for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from labq.bench import endings, memory
from labq.bench.endings import Floor
from labq.bench.stand import Stand
from labq.config import Settings
from labq.domain.errors import ErrorType, Failure, LabqError

LOOK_SECONDS = 2.0
MIB = 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """What the processes of a run hold."""

    stand: Stand
    held: int


class MemoryGuard:
    """Looks after all runs of a host."""

    def __init__(self, floor: Floor, settings: Settings) -> None:
        self._floor = floor
        self._most = settings.run_memory_bytes
        self._reserve = settings.memory_reserve_bytes

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self._look()
            except (OSError, LabqError) as error:
                log.warning("memory cannot be looked at: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        left = memory.available_bytes()
        if not self._most and left >= self._reserve:
            return
        shares = sorted(await self._shares(), key=lambda share: share.held, reverse=True)
        for share in shares:
            if self._most and share.held > self._most:
                text = f"LABQ_RUN_MEMORY_BYTES allows {self._most // MIB} MiB"
                await self._end(share, text, ErrorType.JOB)
        if shares and left < self._reserve:
            text = f"the host has {left // MIB} MiB left, it must keep {self._reserve // MIB} MiB"
            await self._end(shares[0], text, ErrorType.INFRASTRUCTURE)

    async def _shares(self) -> list[Share]:
        """Return what each run at work holds: its emulator, connections and programs."""
        held = await asyncio.to_thread(memory.bytes_by_session)
        kept = await asyncio.to_thread(self._floor.host.keeper.entries)
        shares = []
        for number, stand in self._floor.stands.items():
            if stand.run.gate.is_closed or stand.run.step == stand.run.plan.collect:
                continue
            keys = [one.pid for one in kept if one.key.partition("/")[0] == str(number)]
            pids = {pid for pid in (*keys, *stand.children.pids) if pid}
            shares.append(Share(stand, sum(held[pid] for pid in pids)))
        return shares

    async def _end(self, share: Share, why: str, kind: ErrorType) -> None:
        stand = share.stand
        if stand.run.gate.is_closed or not share.held:
            return
        text = f"the processes of run {stand.run.plan.run} hold {share.held // MIB} MiB: {why}"
        log.warning("%s", text)
        await endings.finish(self._floor, stand, Failure(type=kind, message=text))
        # Its memory comes back at once, not only when `collect` comes.
        await stand.consoles.stop()
