"""Entries of `<host>.up`, read as from a stranger, and what of them follows the last one applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from labq.domain.errors import InvalidInputError
from labq.domain.events import Event, MessageSent, Report, StepEnded
from labq.streams import (
    EVENTS_FIELD,
    REPORT_FIELD,
    BadEvent,
    ReceivedBatch,
    load_event_batch,
    load_report,
)

SHOWN_BYTES = 2000
"""Of an entry that cannot be read, in its payload."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """An entry that says nothing labq understands."""

    payload: str
    reason: str


@dataclass(frozen=True, slots=True)
class Raw:
    """A stream entry as it was read."""

    id: str
    fields: Mapping[bytes, bytes]

    @property
    def size(self) -> int:
        """Return how many bytes it has."""
        return sum(len(name) + len(value) for name, value in self.fields.items())


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry and what it says."""

    id: str
    content: ReceivedBatch | Report | Garbage


def parse(raw: Raw) -> Entry:
    """Return an entry; one that cannot be read is Garbage."""
    return Entry(raw.id, _content(raw.fields))


def _content(fields: Mapping[bytes, bytes]) -> ReceivedBatch | Report | Garbage:
    try:
        if (events := fields.get(EVENTS_FIELD.encode())) is not None:
            return load_event_batch(events)
        if (report := fields.get(REPORT_FIELD.encode())) is not None:
            return load_report(report)
    except InvalidInputError as error:
        return Garbage(shown(fields), str(error))
    return Garbage(shown(fields), "neither events nor a report")


def shown(fields: Mapping[bytes, bytes]) -> str:
    """Return the beginning of an entry's fields as text."""
    few = list(fields.items())[:4]
    return ", ".join(f"{name[:40]!r}: {value[:SHOWN_BYTES]!r}" for name, value in few)


def newest_report(entries: Sequence[Entry]) -> Report | None:
    """Return the last report among entries."""
    reports = (entry.content for entry in reversed(entries))
    return next((content for content in reports if isinstance(content, Report)), None)


def batches(entries: Iterable[Entry]) -> Iterator[ReceivedBatch]:
    """Yield the batches of events among entries."""
    return (entry.content for entry in entries if isinstance(entry.content, ReceivedBatch))


def garbage(entries: Iterable[Entry]) -> Iterator[Garbage]:
    """Yield what is neither."""
    return (entry.content for entry in entries if isinstance(entry.content, Garbage))


def follow(entries: Iterable[Entry], sequence: int) -> list[Event | BadEvent]:
    """Return the events that follow `sequence` without a gap; what came before is left out."""
    found: list[Event | BadEvent] = []
    for batch in batches(entries):
        following = sequence + len(found) + 1
        if batch.first <= following:
            found += batch.events[following - batch.first :]
    return found


def count_events(entries: Iterable[Entry]) -> int:
    """Return how many events there are, repeated ones too."""
    return sum(len(batch.events) for batch in batches(entries))


def last_sequence(entries: Iterable[Entry]) -> int:
    """Return the highest sequence that entries speak of, 0 without events."""
    return max((batch.last for batch in batches(entries)), default=0)


def closes(entries: Iterable[Entry]) -> bool:
    """Tell whether an event among entries closes a run."""
    events = (event for batch in batches(entries) for event in batch.events)
    return any(isinstance(event, StepEnded) and event.next is None for event in events)


def speaks(entries: Iterable[Entry]) -> bool:
    """Tell whether an event among entries is a message that others of a group wait for."""
    events = (event for batch in batches(entries) for event in batch.events)
    return any(isinstance(event, MessageSent) for event in events)


def runs_after(entries: Iterable[Entry], sequence: int) -> set[int]:
    """Return the runs that events past `sequence` are of."""
    return {
        event.run
        for batch in batches(entries)
        for number, event in enumerate(batch.events, batch.first)
        if number > sequence and not isinstance(event, BadEvent)
    }
