"""The order in which waiting requests get the threads of a web process: changes before reads.

Readers who ask as fast as they can always fill a server. So few reads are at work at once, which takes
nothing from their number a second, and none begins while somebody's job is being submitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, TypeVar

from typing_extensions import override
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]  # it ships no types

from labq.domain.deadline import monotonic

READS = 3
"""How many reads that are quick, or not old enough to be called slow, are at work at once."""
SLOW_SECONDS = 0.1
"""A read older than this waits for something else than the processor: it holds nobody up."""
YIELD_SECONDS = 0.1
"""How long a read waits for changes that came later than it, and for one that is at work."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_MIXED = "/RPC2"
"""Where reads and changes look alike, and most are reads."""
Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Turn(Generic[Task]):
    """A request that waits or is at work since a moment."""

    task: Task
    is_read: bool
    since: float


@dataclass(slots=True)
class Lanes(Generic[Task]):
    """Who waits, who is at work, and who is next. `threads` is how many may be at work."""

    threads: int
    changes: deque[Turn[Task]] = field(default_factory=deque)
    reads: deque[Turn[Task]] = field(default_factory=deque)
    at_work: list[Turn[Task]] = field(default_factory=list)

    def add(self, task: Task, now: float, *, is_read: bool) -> None:
        """Let a request wait."""
        (self.reads if is_read else self.changes).append(Turn(task, is_read, now))

    def take(self, now: float) -> Turn[Task] | float:
        """Return who is next, at work from now on; else the seconds until to ask again."""
        if self.changes:
            return self._begin(self.changes.popleft(), now)
        delay = max(self._delays(now), default=0.0) if self.reads else inf
        return delay if delay > 0 else self._begin(self.reads.popleft(), now)

    def end(self, turn: Turn[Task]) -> None:
        """Note that a request is no longer at work."""
        self.at_work.remove(turn)

    def _begin(self, waiting: Turn[Task], now: float) -> Turn[Task]:
        turn = Turn(waiting.task, waiting.is_read, now)
        self.at_work.append(turn)
        return turn

    def _delays(self, now: float) -> Iterator[float]:
        """Yield how long each thing that a read waits for will hold it up at most."""
        reads = [turn for turn in self.at_work if turn.is_read]
        if len(reads) >= self.threads - 1:
            yield inf
        quick = sorted(turn.since for turn in reads if now - turn.since < SLOW_SECONDS)
        if len(quick) >= READS:
            yield quick[-READS] + SLOW_SECONDS - now
        if len(reads) < len(self.at_work):
            latest = max(turn.since for turn in self.at_work if not turn.is_read)
            yield min(self.reads[0].since, latest) + YIELD_SECONDS - now


class LaneDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # of a module without types
    """Waitress's threads, which take requests from lanes."""

    def __init__(self, threads: int, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._lanes: Lanes[Any] = Lanes(threads)
        self._clock = clock
        self.set_thread_count(threads)

    @override
    def add_task(self, task: Any) -> None:
        """Let a channel with a request wait for a thread."""
        is_read = _is_read(task.requests[0])
        with self.lock:
            self._lanes.add(task, self._clock(), is_read=is_read)
            self.queue_cv.notify()

    @override
    def handler_thread(self, thread_no: int) -> None:
        """Answer requests until there are to be fewer threads."""
        while (turn := self._wait()) is not None:
            try:
                turn.task.service()
            except BaseException:
                self.logger.exception("Exception when servicing %r", turn.task)
            with self.lock:
                self._lanes.end(turn)
                self.queue_cv.notify()
        with self.lock:
            self.threads.discard(thread_no)
            self.thread_exit_cv.notify()

    @override
    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads; who still waits is sent away."""
        with self.lock:
            lanes = self._lanes
            self.queue.extend(turn.task for turn in (*lanes.changes, *lanes.reads))
            lanes.changes.clear()
            lanes.reads.clear()
        return bool(super().shutdown(cancel_pending, timeout))

    def _wait(self) -> Turn[Any] | None:
        """Return the next request, None when this thread is to end."""
        with self.lock:
            while self.stop_count == 0:
                found = self._lanes.take(self._clock())
                if isinstance(found, Turn):
                    return found
                self.active_count -= 1
                self.queue_cv.wait(None if found == inf else found)
                self.active_count += 1
            self.active_count -= 1
            self.stop_count -= 1
            return None


def _is_read(request: Any) -> bool:
    """Tell whether a request changes nothing; one that could not be read has no method."""
    method = getattr(request, "command", None)
    return method is None or method in _READS or request.path.rstrip("/") == _MIXED
