"""What one process keeps of answers for a short while: one computes, the others wait or take the last.

Who may be given what is decided by the keys, in `labq.web.shelf`; this file knows no viewer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar

from labq import statsd
from labq.domain.deadline import monotonic
from labq.domain.errors import TooSlowError
from labq.metrics.ledger.work import note_cache

MOST_BYTES = 16 * 1024 * 1024
VALUE_BYTES = 32 * 1024
"""What a value that is no text counts for; a page's worth of rows is less."""
Value = TypeVar("Value")
Job = Callable[[], None]


class Outcome(StrEnum):
    """How a question was answered."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class Life:
    """Seconds. A value is given out unasked for `settled`; while nothing changed, for `longest`.

    One that is older than that but not than `stale` is given to those who come while somebody makes
    the next one.
    """

    settled: float
    longest: float
    stale: float


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """A value, how old it is, and how it was come by."""

    value: Value
    age_seconds: float
    outcome: Outcome


@dataclass(slots=True)
class Counts:
    """How often each way of answering was taken, since the process began."""

    hit: int = 0
    miss: int = 0
    stale: int = 0
    bypass: int = 0


class Epoch:
    """A number that is raised when data changed; `is_live` while nobody's change would be missed."""

    def __init__(self) -> None:
        self.number = 0
        self.is_live = False

    def rise(self) -> None:
        """Have all that was computed before count as old."""
        self.number += 1


@dataclass(frozen=True, slots=True)
class _Entry:
    value: Any
    made_at: float
    epoch: int
    size: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: under which name it is counted, its key, how long it lives, how long to wait."""

    name: str
    key: Hashable
    life: Life
    patience_seconds: float


class Cache:
    """Values by key, the least recently used ones go first. Any thread may ask."""

    def __init__(self, epoch: Epoch, clock: Callable[[], float] = monotonic) -> None:
        self._epoch = epoch
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._flights: dict[Hashable, Future[_Entry]] = {}
        self._bytes = 0
        self._counting = Lock()
        self._counts: dict[str, Counts] = {}

    def find(
        self, asked: Asked, compute: Callable[[], Value], start: Callable[[Job], object]
    ) -> Found[Value]:
        """Return the value of a key, made by `compute` when there is none that is good.

        `start` runs what makes it, at once or in another thread. Raises what `compute` raises, to all
        who wait for it, and TooSlowError when it takes too long.
        """
        key = asked.key
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self._is_good(entry, asked.life):
                self._entries.move_to_end(key)
                return self._given(asked, entry, Outcome.HIT)
            flight = self._flights.get(key)
            is_mine = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_mine:
            start(partial(self._make, key, flight, compute))
        if entry is not None and not flight.done() and self._age(entry) <= asked.life.stale:
            return self._given(asked, entry, Outcome.STALE)
        try:
            made = flight.result(asked.patience_seconds)
        except FutureTimeoutError as error:
            raise TooSlowError("this is being worked out and takes long: try again soon") from error
        return self._given(asked, made, Outcome.MISS if is_mine else Outcome.HIT)

    def note_bypass(self, name: str) -> None:
        """Count somebody whose answer is made for them alone."""
        self._count(name, Outcome.BYPASS)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return hit, miss, stale and bypass by name."""
        return {name: asdict(counts) for name, counts in sorted(self._counts.items())}

    def _make(self, key: Hashable, flight: Future[_Entry], compute: Callable[[], Value]) -> None:
        """Compute a value, keep it, and give it to those who wait."""
        # Read before the look: what changes during it makes the value old at once.
        epoch, began = self._epoch.number, self._clock()
        try:
            value = compute()
        except Exception as error:  # noqa: BLE001 - raised again by those who asked for it
            with self._lock:
                del self._flights[key]
            flight.set_exception(error)
            return
        size = len(value) if isinstance(value, bytes) else VALUE_BYTES
        entry = _Entry(value, began, epoch, size)
        with self._lock:
            del self._flights[key]
            self._keep(key, entry)
        flight.set_result(entry)

    def _keep(self, key: Hashable, entry: _Entry) -> None:
        old = self._entries.pop(key, None)
        self._bytes += entry.size - (old.size if old else 0)
        self._entries[key] = entry
        while self._bytes > MOST_BYTES:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.size

    def _is_good(self, entry: _Entry, life: Life) -> bool:
        age = self._age(entry)
        if age <= life.settled:
            return True
        is_newest = self._epoch.is_live and entry.epoch == self._epoch.number
        return is_newest and age <= life.longest

    def _age(self, entry: _Entry) -> float:
        return self._clock() - entry.made_at

    def _given(self, asked: Asked, entry: _Entry, outcome: Outcome) -> Found[Any]:
        self._count(asked.name, outcome)
        return Found(entry.value, self._age(entry), outcome)

    def _count(self, name: str, outcome: Outcome) -> None:
        with self._counting:
            counts = self._counts.setdefault(name, Counts())
            setattr(counts, outcome.value, getattr(counts, outcome.value) + 1)
        statsd.incr(f"cache.{name}.{outcome.value}")
        note_cache(outcome.value)
