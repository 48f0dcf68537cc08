"""Entries of `<host>.up`, read as from a stranger, and what of them follows the last one applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from labq.domain.errors import InvalidInputError
from labq.domain.events import Event, EventBatch, Report, StepEnded
from labq.streams import EVENTS_FIELD, REPORT_FIELD, load_event_batch, load_report


@dataclass(frozen=True, slots=True)
class Garbage:
    """An entry that says nothing labq understands."""

    payload: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry and what it says."""

    id: str
    content: EventBatch | Report | Garbage


def parse(identifier: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """Return an entry; one that cannot be read is Garbage."""
    return Entry(identifier.decode(), _content(fields))


def _content(fields: Mapping[bytes, bytes]) -> EventBatch | Report | Garbage:
    try:
        if (events := fields.get(EVENTS_FIELD.encode())) is not None:
            return load_event_batch(events)
        if (report := fields.get(REPORT_FIELD.encode())) is not None:
            return load_report(report)
    except InvalidInputError as error:
        return Garbage(repr(dict(fields)), str(error))
    return Garbage(repr(dict(fields)), "neither events nor a report")


def newest_report(entries: Sequence[Entry]) -> Report | None:
    """Return the last report among entries."""
    reports = (entry.content for entry in reversed(entries))
    return next((content for content in reports if isinstance(content, Report)), None)


def batches(entries: Iterable[Entry]) -> Iterator[EventBatch]:
    """Yield the batches of events among entries."""
    return (entry.content for entry in entries if isinstance(entry.content, EventBatch))


def garbage(entries: Iterable[Entry]) -> Iterator[Garbage]:
    """Yield what is neither."""
    return (entry.content for entry in entries if isinstance(entry.content, Garbage))


def follow(entries: Iterable[Entry], sequence: int) -> list[Event]:
    """Return the events that follow `sequence` without a gap; what came before is left out."""
    found: list[Event] = []
    for batch in batches(entries):
        following = sequence + len(found) + 1
        if batch.first <= following:
            found += batch.events[following - batch.first :]
    return found


def last_sequence(entries: Iterable[Entry]) -> int:
    """Return the highest sequence that entries speak of, 0 without events."""
    return max((batch.first + len(batch.events) - 1 for batch in batches(entries)), default=0)


def closes(entries: Iterable[Entry]) -> bool:
    """Tell whether an event among entries closes a run."""
    events = (event for batch in batches(entries) for event in batch.events)
    return any(isinstance(event, StepEnded) and event.next is None for event in events)


def runs_after(entries: Iterable[Entry], sequence: int) -> set[int]:
    """Return the runs that events past `sequence` are of."""
    return {
        event.run
        for batch in batches(entries)
        for number, event in enumerate(batch.events, batch.first)
        if number > sequence
    }
