"""Durable events of a host, applied once and in order; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from labq.domain.bounds import near
from labq.domain.errors import ConflictError, LabqError, NotFoundError
from labq.domain.events import Event, MessageSent, ResultReported, StepBegan, StepEnded
from labq.models.host import Host
from labq.services import closing, job_groups, open_runs, runs, transitions
from labq.services.closing import Ended
from labq.services.intake import Intake, Reported
from labq.services.open_runs import OpenRun
from labq.services.refusals import Refused
from labq.services.transitions import SYSTEM, By, Work
from labq.streams import dump_event


def apply(session: Session, host: Host, events: Sequence[Event], now: datetime) -> list[Refused]:
    """Apply the events that follow `host.sequence`; the host's row is locked by the caller.

    Returns those that are of no run of this host, or of a step or epoch that it cannot speak of.
    Raises what an event that does not fit raises: nothing of the transaction may be kept then.
    """
    if not events:
        return []
    batch = _Batch(
        session=session,
        host=host.name,
        known=open_runs.load(session, {event.run for event in events}, host=host.name),
        by=By(SYSTEM, now),
    )
    job_groups.lock_all(session, batch.groups(events))
    for event in events:
        batch.take(event)
    batch.close()
    host.sequence += len(events)
    jobs = sorted({row.job.id for row in batch.known.values()})
    transitions.tell(session, jobs=jobs, work=[Work.PAIRING] if batch.ended else [])
    return batch.refused


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Events of one host while they are applied, its runs locked; `intakes` are by run."""

    session: Session
    host: str
    known: Mapping[int, OpenRun]
    by: By
    refused: list[Refused] = field(default_factory=list)
    reported: Reported = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    intakes: dict[int, Intake] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Apply an event, or refuse it."""
        intake = self.intakes.get(event.run)
        if intake and isinstance(event, ResultReported) and intake.takes(event):
            return
        try:
            known = self._find(event)
        except LabqError as error:
            self.refused.append(Refused(dump_event(event).decode(), str(error)))
            return
        self._apply(known, _dated(event, known, self.by.at))

    def groups(self, events: Sequence[Event]) -> set[int]:
        """Return the groups of jobs that events may change."""
        runs_of = {event.run for event in events if not isinstance(event, ResultReported)}
        rows = (row.job.group_id for run, row in self.known.items() if run in runs_of)
        return {group for group in rows if group is not None}

    def close(self) -> None:
        """Store the results, and what ended runs leave to be done."""
        for intake in self.intakes.values():
            intake.close()
        closing.settle(self.session, self.ended, self.by, self.reported)

    def _apply(self, known: OpenRun, event: Event) -> None:
        if isinstance(event, ResultReported):
            if event.run not in self.intakes:
                self.intakes[event.run] = Intake.of(known, self.by.at, self.reported)
            self.intakes[event.run].add(event)
            return
        if event.run in self.intakes:
            self.intakes.pop(event.run).close()
        match event:
            case StepBegan():
                runs.begin(self.session, known, event, self.by)
            case StepEnded():
                one = runs.end(self.session, known, event, self.by)
                self.ended += [one] if one else []
            case MessageSent():
                job_groups.take(self.session, known, event)
            case never:
                assert_never(never)

    def _find(self, event: Event) -> OpenRun:
        """Return the event's run; raises when it is not one that this host could tell about."""
        known = self.known.get(event.run)
        if known is None:
            raise NotFoundError(f"host {self.host} has no run {event.run}")
        following = event.next if isinstance(event, StepEnded) else None
        for step in (event.step, event.step if following is None else following):
            if step not in known.steps:
                raise NotFoundError(f"run {event.run} has no step {step}")
        if event.epoch > known.run.epoch:
            raise ConflictError(
                f"run {event.run} is at epoch {known.run.epoch}, the event at {event.epoch}"
            )
        return known


def _dated(event: Event, open_run: OpenRun, now: datetime) -> Event:
    """Return the event; the time of a host whose clock is days away is replaced by the server's."""
    at = near(event.at, earliest=open_run.job.submitted_at, latest=now)
    return event if at == event.at else replace(event, at=at)
