"""Minds the host's workers: those that live but do not consume are started again.

A worker with a step in hand is never killed: a new one begins beside it, and it ends with its steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial

import redis

from labq.bench.canary import Canaries
from labq.benchlink import steward
from labq.benchlink.steward import HostStatus
from labq.config import Settings
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import InfrastructureError
from labq.domain.events import PartReport
from labq.domain.plan import Queue

# A shorter outage costs a worker at most two seconds of its own back-off.
LONG_OUTAGE_SECONDS = 2.0
LOOK_SECONDS = 5.0
EVERY_SECONDS = 10.0
WORKER_OF = {Queue.TEST: "tests", Queue.COLLECT: "collect"}
WORKERS = ("steps", "tests", "collect")
MOST_BUSY = 256
"""Threads of a worker: with as many steps it takes no message, and that is no fault."""

log = logging.getLogger(__name__)
Busy = Callable[[], dict[int, int]]
"""Returns how many steps each worker process has: waiting, held or handing over."""


class Minder:
    """Looks after the workers of one host folder; `parts` is for the report."""

    def __init__(self, settings: Settings, busy: Busy) -> None:
        client = redis.Redis.from_url(
            settings.redis_url, protocol=2, socket_timeout=5, socket_connect_timeout=2
        )
        stuck = settings.worker_stuck_seconds
        self._folder = settings.bench_folder
        self._busy = busy
        self._every = min(EVERY_SECONDS, stuck / 3)
        self._canaries = Canaries(settings.host, self._folder, client, stuck)
        self._wake = asyncio.Event()
        self._outage = 0.0
        self._status: HostStatus | None = None

    @property
    def parts(self) -> tuple[PartReport, ...]:
        """Return how the host's processes are, as its supervisor said last."""
        return tuple(
            PartReport(
                name=one.name,
                is_running=one.pid is not None,
                restarts=one.restarts,
                reason=one.reason,
            )
            for one in (self._status.parts if self._status else ())
        )

    def redis_is_back(self, seconds: float) -> None:
        """Tell that Redis answers again after so many seconds."""
        self._outage = max(self._outage, seconds)
        self._wake.set()

    async def run(self) -> None:
        """Look for ever."""
        due = Deadline.after(self._every)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_SECONDS, self._every)):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._look(is_due=due.is_over())
            except (InfrastructureError, OSError, redis.RedisError) as error:
                log.debug("workers cannot be minded: %s", error)
            if due.is_over():
                due = Deadline.after(self._every)

    async def _look(self, *, is_due: bool) -> None:
        outage, self._outage = self._outage, 0.0
        if outage:
            self._canaries.forgive(monotonic())
        if outage >= LONG_OUTAGE_SECONDS:
            # Celery's own way back takes up to half a minute (kombu's back-off).
            await self._restart(WORKERS, f"Redis is back after {outage:.0f} s")
        elif is_due:
            stuck = await asyncio.to_thread(self._canaries.turn, monotonic())
            await self._restart_stuck(stuck)
        self._status = await asyncio.to_thread(steward.status, self._folder)
        await self._end_idle(self._status)

    async def _restart_stuck(self, queues: Iterable[Queue]) -> None:
        named = {queue: WORKER_OF.get(queue, "steps") for queue in queues}
        for name in sorted(set(named.values())):
            silent = [queue.value for queue in named if named[queue] == name]
            await self._restart([name], f"it no longer takes messages from {', '.join(silent)}")

    async def _restart(self, names: Iterable[str], reason: str) -> None:
        self._status = await asyncio.to_thread(steward.status, self._folder)
        busy = self._busy()
        for part in self._status.parts:
            steps = busy.get(part.pid or 0, 0)
            if part.name not in names or steps >= MOST_BUSY:
                continue
            log.warning("worker %s (%d steps) is started again: %s", part.name, steps, reason)
            ask = partial(steward.restart, gently=steps > 0)
            await asyncio.to_thread(ask, self._folder, [part.name], reason)

    async def _end_idle(self, status: HostStatus) -> None:
        busy = self._busy()
        idle = [pid for pid in status.leaving if pid not in busy]
        if idle:
            await asyncio.to_thread(steward.end_leaving, self._folder, idle)
