"""The consoles of one step: the journal is read from its file, what is sent goes to the bench."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labq.benchlink.link import Link
from labq.benchlink.messages import Granted, Log, Result, Send, Tell
from labq.benchlink.pauses import Pauses
from labq.benchlink.records import HEADER_BYTES, MOST_DATA, Kind, Record, parse, size_of
from labq.domain.deadline import Deadline, monotonic
from labq.hw.console import Chunk, ConsoleClosedError

READ_BYTES = HEADER_BYTES + 255 + MOST_DATA


class StepClock:
    """The journal's clock: the last thing seen while the past is replayed, then the real time.

    It stands still while nobody held the step or its bench was away: a device that was not read was
    not waited for.
    """

    def __init__(self, journal: int, granted: Granted, pauses: Pauses) -> None:
        self.pauses = pauses
        buffer = os.pread(journal, READ_BYTES, granted.start)
        first = next(parse(buffer, granted.start), None)
        self._seen = pauses.without(first.at if first else monotonic())
        begin = size_of(first) if first else 0
        self._past = granted.replay
        self._is_replaying = granted.start + begin < granted.replay

    def now(self) -> float:
        """Return seconds on the journal's clock."""
        return self._seen if self._is_replaying else self.pauses.without(monotonic())

    def saw(self, position: int, at: float) -> None:
        """Note what is taken: the past is over with the first thing that lies beyond it."""
        self._seen = max(self._seen, at)
        self._is_replaying = self._is_replaying and position < self._past

    def emitted(self, past: float | None) -> None:
        """Note that the step emitted something: when the first time, or just now."""
        self._seen = max(self._seen, self.pauses.without(past or 0.0))
        self._is_replaying = self._is_replaying and past is not None

    def ran_dry(self, position: int) -> None:
        """Note that a channel has nothing more before `position`."""
        self._is_replaying = self._is_replaying and position < self._past


@dataclass(frozen=True, slots=True)
class _Closed:
    """The connection ended by itself."""

    text: str
    at: float
    position: int


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Bytes that came, and where their record stands."""

    chunk: Chunk
    position: int

    @property
    def at(self) -> float:
        """Return when they came."""
        return self.chunk.at


class BenchConsole:
    """One channel, read forward from where the step began."""

    def __init__(self, channel: str, journal: int, start: int, stand: StepStand) -> None:
        self._channel = channel
        self._journal = journal
        self._position = start
        self._stand = stand
        self._queue: deque[_Arrived | _Closed] = deque()
        self._closed: str | None = None

    @property
    def channel(self) -> str:
        """Return the channel's name."""
        return self._channel

    def now(self) -> float:
        """Return the journal's clock."""
        return self._stand.clock.now()

    def read(self, deadline: Deadline) -> Chunk | None:
        """Return the next bytes, None when `deadline` passes first."""
        while not self._queue:
            if self._fill():
                continue
            self._stand.clock.ran_dry(self._position)
            if self._closed is not None:
                raise ConsoleClosedError(self._closed)
            if not self._stand.link.wait_growth(self._position, deadline) and not self._fill():
                return None
        return self._take(deadline)

    def send(self, data: bytes, delay: float = 0.0) -> None:
        """Send bytes; the bench leaves out what the journal has under this number."""
        text = data.decode("latin-1")
        self._stand.emit(
            lambda number: Send(number=number, channel=self._channel, data=text, delay=delay)
        )

    def _take(self, deadline: Deadline) -> Chunk | None:
        clock = self._stand.clock
        item = self._queue[0]
        if item.at > deadline.at:
            clock.saw(item.position, deadline.at)
            return None
        clock.saw(item.position, item.at)
        self._queue.popleft()
        if isinstance(item, _Closed):
            raise ConsoleClosedError(item.text)
        return item.chunk

    def _fill(self) -> bool:
        buffer = os.pread(self._journal, READ_BYTES, self._position)
        before = self._position
        for record in parse(buffer, before):
            self._position = record.position + size_of(record)
            if record.kind == Kind.BACK:
                # Read before the bench could tell of it: what follows came after this pause.
                self._stand.clock.pauses.add([(json.loads(record.data)["since"], record.at)])
            elif record.channel == self._channel:
                self._sort(record)
        return self._position > before

    def _sort(self, record: Record) -> None:
        at = self._stand.clock.pauses.without(record.at)
        match record.kind:
            case Kind.OUTPUT:
                chunk = Chunk(record.data, record.number, at)
                self._queue.append(_Arrived(chunk, record.position))
            case Kind.OPENED:
                self._closed = None
            case Kind.CLOSED:
                entry = json.loads(record.data)
                self._closed = str(entry["text"])
                if not entry["asked"]:
                    self._queue.append(_Closed(self._closed, at, record.position))
            case _:
                pass


class StepStand:
    """What all consoles of a step share: the link, the clock, and the count of emissions."""

    def __init__(self, link: Link, clock: StepClock) -> None:
        self.link = link
        self.clock = clock
        self._emissions = 0

    def emit(self, make: Callable[[int], Send | Log | Result | Tell]) -> int:
        """Emit what `make` gives for the next number; the journal's past is not done again."""
        self._emissions += 1
        reply = self.link.ask(make(self._emissions))
        self.clock.emitted(reply.past)
        return reply.value or 0


def open_journal(folder: Path) -> int:
    """Return a descriptor of the run's journal for reading."""
    return os.open(folder / "journal", os.O_RDONLY | os.O_CLOEXEC)
