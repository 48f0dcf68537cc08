"""Stores what a host sent: one transaction for a bounded batch, singly where something is bad."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from labq.conductor.entries import Entry, follow, garbage
from labq.conductor.lead import Lead, is_passing
from labq.domain.errors import NotFoundError
from labq.domain.events import Event, Report
from labq.domain.orders import GroupOrder
from labq.models.host import Host
from labq.services import events, hosts, job_groups, refusals, transitions
from labq.services.leader import LostLeadershipError
from labq.services.refusals import Refused
from labq.streams import BadEvent, dump_event, dump_report

MOST_EVENTS = 2000
"""Of one host in one turn; others have theirs before the next."""
MOST_SINGLY = 50
"""In one turn, when events have to be applied one by one."""
Mail = Sequence[tuple[str, GroupOrder]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a host's events are applied now, and whether all that was given is stored.

    `mail` is what members of groups are to be told by it.
    """

    sequence: int
    is_done: bool = True
    refused: int = 0
    mail: Mail = ()


@dataclass(frozen=True, slots=True)
class _Rest:
    """What to store of a batch beside its events: how far it was read, garbage, the report."""

    entries: Sequence[Entry]
    report: Report | None
    refused: tuple[Refused, ...] = ()

    def store(self, session: Session, host: Host) -> Sequence[Refused]:
        """Store it on the locked row of the host, and return what is refused of it."""
        if self.entries:
            host.up_id = self.entries[-1].id
        if self.report:
            hosts.note_report(session, host, self.report, _now())
        bad = [Refused(one.payload, one.reason) for one in garbage(self.entries)]
        return [*bad, *self.refused]


@dataclass(frozen=True, slots=True)
class Applier:
    """Writes what one host sent, in one term."""

    lead: Lead
    host: str

    def store(self, sequence: int, entries: Sequence[Entry], report: Report | None) -> Applied:
        """Apply what follows `sequence`, a bounded part of it, and with the last of it the rest.

        An event that cannot be applied is set aside with its reason; the others are not disturbed.
        Raises LostLeadershipError, and what passes by itself: nothing is lost then.
        """
        found = follow(entries, sequence)
        chunk, is_all = found[:MOST_EVENTS], len(found) <= MOST_EVENTS
        rest = _Rest(entries, report)
        try:
            applied = self._apply(sequence, chunk, rest if is_all else None)
        except Exception as error:
            if _must_raise(error):
                raise
            log.warning("host %s: %d events are applied singly: %s", self.host, len(chunk), error)
            return self._store_singly(sequence, found, rest)
        return replace(applied, is_done=is_all)

    def _store_singly(
        self, sequence: int, found: Sequence[Event | BadEvent], rest: _Rest
    ) -> Applied:
        refused, mail = 0, list[tuple[str, GroupOrder]]()
        for event in found[:MOST_SINGLY]:
            applied = self._apply_one(sequence, event)
            sequence, refused = applied.sequence, refused + applied.refused
            mail += applied.mail
        if len(found) > MOST_SINGLY:
            return Applied(sequence, is_done=False, refused=refused, mail=mail)
        applied = self._apply_rest(sequence, rest)
        return Applied(applied.sequence, refused=refused + applied.refused, mail=mail)

    def _apply_one(self, sequence: int, event: Event | BadEvent) -> Applied:
        try:
            return self._apply(sequence, [event], None)
        except Exception as error:
            if _must_raise(error):
                raise
            payload = event.payload if isinstance(event, BadEvent) else dump_event(event).decode()
            return self._apply(sequence, [BadEvent(payload, _reason(error))], None)

    def _apply_rest(self, sequence: int, rest: _Rest) -> Applied:
        """Store what is no event, without a report that cannot be stored."""
        try:
            return self._apply(sequence, (), rest)
        except Exception as error:
            if _must_raise(error) or rest.report is None:
                raise
            bad = Refused(dump_report(rest.report).decode(), _reason(error))
            return self._apply(sequence, (), _Rest(rest.entries, None, (bad,)))

    def _apply(
        self, sequence: int, chunk: Sequence[Event | BadEvent], rest: _Rest | None
    ) -> Applied:
        """Run one transaction; what is no event may be lost in a crash and comes again."""
        name = "events" if chunk else "report"
        refused: list[Refused] = []
        with self.lead.transaction(name, is_light=not chunk) as session:
            row = _lock(session, self.host)
            if chunk and row.sequence == sequence:
                good = [event for event in chunk if not isinstance(event, BadEvent)]
                bad = [event for event in chunk if isinstance(event, BadEvent)]
                refused += [Refused(event.payload, event.reason) for event in bad]
                row.sequence += len(bad)
                refused += events.apply(session, row, good, _now())
            if rest:
                refused += rest.store(session, row)
            refusals.note(session, self.host, refused, _now())
            sequence = row.sequence
            mail = session.info.pop(job_groups.MAIL, ())
        if refused:
            log.error("host %s: %d refused, last: %s", self.host, len(refused), refused[-1].reason)
        return Applied(sequence, refused=len(refused), mail=mail)


def _must_raise(error: Exception) -> bool:
    return isinstance(error, LostLeadershipError) or is_passing(error)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _lock(session: Session, host: str) -> Host:
    rows = transitions.lock(session, Host, [host])
    if not rows:
        raise NotFoundError(f"there is no host {host!r}")
    return rows[0]


def _now() -> datetime:
    return datetime.now(UTC)
