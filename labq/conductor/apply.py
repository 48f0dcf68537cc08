"""Stores what a host sent: one transaction for a bounded batch, singly where something is bad."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from labq.conductor.entries import Entry, follow, garbage
from labq.conductor.lead import Lead, is_passing
from labq.domain.errors import NotFoundError
from labq.domain.events import Event, Report
from labq.models.host import Host
from labq.services import events, hosts, transitions
from labq.services.leader import LostLeadershipError
from labq.streams import dump_event

MOST_EVENTS = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What to store of a batch beside its events: how far it was read, garbage, the report."""

    entries: Sequence[Entry]
    report: Report | None

    def store(self, session: Session, host: Host) -> None:
        """Store it on the locked row of the host."""
        for bad in garbage(self.entries):
            events.reject(session, host, bad.payload, reason=bad.reason, now=_now())
        if self.entries:
            host.up_id = self.entries[-1].id
        if self.report:
            hosts.note_report(session, host, self.report, _now())


@dataclass(frozen=True, slots=True)
class Applier:
    """Writes what one host sent, in one term."""

    lead: Lead
    host: str

    def store(self, sequence: int, entries: Sequence[Entry], report: Report | None) -> int:
        """Apply what follows `sequence`, store the rest, and return the new sequence.

        An event that cannot be applied is set aside with its reason; the others are not disturbed.
        Raises LostLeadershipError, and what passes by itself: nothing is lost then.
        """
        rest = _Rest(entries, report)
        *chunks, last = _chunks(follow(entries, sequence)) or [[]]
        for chunk in chunks:
            sequence = self._apply_safely(sequence, chunk, None)
        return self._apply_safely(sequence, last, rest)

    def _apply_safely(self, sequence: int, chunk: Sequence[Event], rest: _Rest | None) -> int:
        """Apply a chunk at once, or when that fails each event alone."""
        try:
            return self._apply(sequence, chunk, rest)
        except Exception as error:
            if not chunk or isinstance(error, LostLeadershipError) or is_passing(error):
                raise
            log.warning("host %s: %d events are applied singly: %s", self.host, len(chunk), error)
        for event in chunk:
            sequence = self._apply_one(sequence, event)
        return self._apply(sequence, (), rest)

    def _apply_one(self, sequence: int, event: Event) -> int:
        try:
            return self._apply(sequence, [event], None)
        except Exception as error:
            if isinstance(error, LostLeadershipError) or is_passing(error):
                raise
            return self._set_aside(event, error)

    def _apply(self, sequence: int, chunk: Sequence[Event], rest: _Rest | None) -> int:
        """Run one transaction; what is no event may be lost in a crash and comes again."""
        name = "events" if chunk else "report"
        with self.lead.transaction(name, is_light=not chunk) as session:
            row = _lock(session, self.host)
            if chunk and row.sequence == sequence:
                events.apply(session, row, chunk, _now())
            if rest:
                rest.store(session, row)
            return row.sequence

    def _set_aside(self, event: Event, error: Exception) -> int:
        reason = f"{type(error).__name__}: {error}"
        log.error("host %s: event of run %d set aside: %s", self.host, event.run, reason)
        with self.lead.transaction("reject") as session:
            row = _lock(session, self.host)
            payload = dump_event(event).decode()
            events.reject(session, row, payload, reason=reason, now=_now())
            row.sequence += 1
            return row.sequence


def _lock(session: Session, host: str) -> Host:
    rows = transitions.lock(session, Host, [host])
    if not rows:
        raise NotFoundError(f"there is no host {host!r}")
    return rows[0]


def _chunks(found: list[Event]) -> list[list[Event]]:
    return [found[at : at + MOST_EVENTS] for at in range(0, len(found), MOST_EVENTS)]


def _now() -> datetime:
    return datetime.now(UTC)
