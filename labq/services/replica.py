"""A read replica: how far it is behind, found out in a thread and never by a request, and who reads it.

How far: the primary's place in its log is noted each second; what the replica has replayed up to such a
place, it has of everything that was committed before the note. No clocks of two machines are compared,
a quiet primary does not count as lag, and a replica that is cut off from it does.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from labq.domain.deadline import Deadline, monotonic

LOOK_SECONDS = 1.0
MOST_MARKS = 600
NAME = "labq replica"
"""How connections to the replica begin their name."""
_PLACE = text("SELECT pg_current_wal_flush_lsn()::text")
_REPLAYED = text("SELECT pg_last_wal_replay_lsn()::text WHERE pg_is_in_recovery()")
_LOG = logging.getLogger(__name__)
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the replica is: whether it is read from, and its lag, None while that is not known.

    The lag is an upper bound: with a replica that keeps up it is about the time between two looks.
    """

    is_used: bool
    lag_seconds: float | None
    limit_seconds: float
    detail: str


class Replica:
    """Watches a replica; any thread may ask."""

    def __init__(
        self, primary: Engine, replica: Engine, limit_seconds: float, clock: Clock = monotonic
    ) -> None:
        self._primary, self._replica = primary, replica
        self._limit, self._clock = limit_seconds, clock
        self._marks: deque[tuple[float, int]] = deque(maxlen=MOST_MARKS)
        self._fresh: float | None = None
        self._failed = -1.0
        self._trouble = "not looked at yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    def start(self) -> None:
        """Begin to look, at once and then each LOOK_SECONDS."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Look at both servers once."""
        began = self._clock()
        was_near = self.is_near
        try:
            with self._primary.connect() as connection:
                self._marks.append((began, place(connection.scalar(_PLACE) or "")))
            with self._replica.connect() as connection:
                replayed = connection.scalar(_REPLAYED)
            self._take(began, replayed)
        except SQLAlchemyError as error:
            self._trouble = " ".join(str(getattr(error, "orig", error)).split())
        self._tell(was_near=was_near)

    @property
    def is_near(self) -> bool:
        """Tell whether the replica has everything that is older than the limit."""
        return self.standing().is_used

    def note_failure(self, error: BaseException) -> None:
        """Take in that a request could not be answered there: it is not asked before the next look."""
        self._trouble = " ".join(str(getattr(error, "orig", error)).split())
        self._fresh, self._failed = None, self._clock()

    def standing(self) -> Standing:
        """Return how the replica is, without asking it."""
        fresh = self._fresh
        lag = None if fresh is None else self._clock() - fresh
        is_used = lag is not None and lag <= self._limit
        detail = "keeps up" if is_used else self._trouble
        if not detail:
            detail = "is new to be watched" if lag is None else f"lags by {lag:.1f} s"
        return Standing(is_used=is_used, lag_seconds=lag, limit_seconds=self._limit, detail=detail)

    def _take(self, began: float, replayed: str | None) -> None:
        """Take in how far the replica has replayed."""
        if replayed is None:
            self._trouble, self._fresh = "is no replica: it was promoted, or never was one", None
            return
        reached = place(replayed)
        fresh = None
        while self._marks and self._marks[0][1] <= reached:
            fresh, _ = self._marks.popleft()
        self._trouble = ""
        # A failure of a request that came after this look began says more than the look.
        if fresh is not None and began > self._failed:
            self._fresh = fresh

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(LOOK_SECONDS)

    def _tell(self, *, was_near: bool) -> None:
        standing = self.standing()
        if standing.is_used and not was_near:
            _LOG.info("the replica is read from")
        elif was_near and not standing.is_used:
            _LOG.warning("the replica is not read from: it %s", standing.detail)


def place(text: str) -> int:
    """Return a place in the log as a number: PostgreSQL writes it as `16/B374D848`."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def examine(primary: Engine, replica: Engine, limit_seconds: float) -> Standing:
    """Return how the replica is, looked at for as long as it is allowed to lag."""
    pause = threading.Event()
    deadline = Deadline.after(limit_seconds)
    watched = Replica(primary, replica, limit_seconds)
    watched.look()
    while not watched.is_near and not deadline.is_over():
        pause.wait(LOOK_SECONDS / 10)
        watched.look()
    return watched.standing()
