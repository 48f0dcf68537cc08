"""What the loop of events remembers of one host between turns: what it sent, and when it is due."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from labq.conductor.apply import MOST_EVENTS, Applier
from labq.conductor.entries import Entry, Raw, closes, count_events, parse, speaks
from labq.conductor.link import StreamEntries
from labq.conductor.patience import Patience
from labq.conductor.recovery import Recovery
from labq.domain.deadline import monotonic
from labq.domain.events import Report

PAUSE_SECONDS = 0.15
"""How long events of a host gather before they are applied."""
CLOSING_PAUSE_SECONDS = 0.07
"""How long when one of them closes a run; an event after a longer quiet is applied at once."""
SPEAKING_PAUSE_SECONDS = 0.004
"""How long when one of them is a message in a group: somebody waits for it."""
JUDGE_SECONDS = 0.2
MOST_ENTRIES = 200
MOST_READ_BYTES = 8 * 1024 * 1024
"""Of one host at once: fewer entries are read of one that sends large ones."""
MOST_PARSED_BYTES = 1024 * 1024
"""Of one host in one turn, and at least one entry."""


@dataclass(slots=True)
class Line:
    """One host; times are monotonic seconds.

    `waiting` is read and not looked at, `pending` not yet applied, `applied` the last entry done.
    `events` counts those that are pending, `is_closing`: one of them closes a run, `is_speaking`: one
    is a message in a group.
    """

    host: str
    position: str
    sequence: int
    applier: Applier
    recovery: Recovery
    applied: str = "0-0"
    waiting: deque[Raw] = field(default_factory=deque)
    pending: list[Entry] = field(default_factory=list)
    events: int = 0
    is_closing: bool = False
    is_speaking: bool = False
    report: Report | None = None
    touched: set[int] = field(default_factory=set)
    order: str = ""
    noted: Report | None = None
    config: int | None = None
    count: int = MOST_ENTRIES
    applied_at: float = 0.0
    judged_at: float = 0.0
    noted_at: float = 0.0
    trimmed_at: float = 0.0
    failures: int = 0
    patience: Patience = field(default_factory=Patience)

    def due_at(self) -> float | None:
        """Return when there is something to do, None when there is nothing."""
        moments = []
        if self.pending:
            moments.append(self.applied_at + self._pause_seconds())
        if self.report:
            moments.append(self.judged_at + JUDGE_SECONDS)
        return max(min(moments), self.patience.free_at) if moments else None

    def _pause_seconds(self) -> float:
        """Return how long what is pending gathers: not at all once it fills a transaction."""
        if self.events >= MOST_EVENTS:
            return 0.0
        if self.is_speaking:
            return SPEAKING_PAUSE_SECONDS
        return CLOSING_PAUSE_SECONDS if self.is_closing else PAUSE_SECONDS

    def is_open(self) -> bool:
        """Tell whether more may be read."""
        has_room = not self.waiting and len(self.pending) < MOST_ENTRIES
        return has_room and self.patience.is_free(monotonic())

    def take(self, items: StreamEntries) -> None:
        """Take in what was read, and look at a bounded part of it."""
        read = [Raw(identifier.decode(), fields) for identifier, fields in items]
        average = max(1, sum(raw.size for raw in read) // len(read))
        self.count = max(1, min(MOST_ENTRIES, MOST_READ_BYTES // average))
        self.position = read[-1].id
        self.waiting.extend(read)
        self.look()

    def look(self) -> None:
        """Parse what waits, so much that no other host has to wait long for its turn."""
        size = 0
        while self.waiting and size < MOST_PARSED_BYTES and self.events < MOST_EVENTS:
            raw = self.waiting.popleft()
            entry = parse(raw)
            self.pending.append(entry)
            size += raw.size
            self.events += count_events([entry])
            self.is_closing = self.is_closing or closes([entry])
            self.is_speaking = self.is_speaking or speaks([entry])

    def done(self) -> None:
        """Forget what is applied, and look at what comes next."""
        self.applied = self.pending[-1].id
        self.pending, self.events = [], 0
        self.is_closing = self.is_speaking = False
        self.look()

    def start_over(self) -> None:
        """Read from the beginning of a stream that may be another one now."""
        self.position, self.applied, self.report = "0-0", "0-0", None
        self.waiting.clear()
