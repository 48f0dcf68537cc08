"""Durable events of a host, applied once and in order; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from labq.domain.bounds import near
from labq.domain.errors import ConflictError, LabqError, NotFoundError
from labq.domain.events import Event, ResultReported, StepBegan, StepEnded
from labq.models.host import Host
from labq.models.job import Job
from labq.services import closing, open_runs, results, runs, transitions
from labq.services.closing import Ended
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
    known = open_runs.load(session, {event.run for event in events}, host=host.name)
    by = By(SYSTEM, now)
    refused: list[Refused] = []
    reported: list[tuple[Job, ResultReported]] = []
    ended: list[Ended] = []
    for event in events:
        try:
            open_run = _find(known, host, event)
        except LabqError as error:
            refused.append(Refused(dump_event(event).decode(), str(error)))
            continue
        match _dated(event, open_run, now):
            case ResultReported() as result:
                if runs.counts(open_run, result) and results.has_room(open_run.run):
                    reported.append((open_run.job, result))
            case StepBegan() as began:
                runs.begin(session, open_run, began, by)
            case StepEnded() as end:
                one = runs.end(session, open_run, end, by)
                ended += [one] if one else []
            case never:
                assert_never(never)
    closing.settle(session, ended, by, reported)
    host.sequence += len(events)
    jobs = sorted({row.job.id for row in known.values()})
    transitions.tell(session, jobs=jobs, work=[Work.PAIRING] if ended else [])
    return refused


def _find(known: Mapping[int, OpenRun], host: Host, event: Event) -> OpenRun:
    """Return the event's run; raises when it is not one that this host could tell about."""
    open_run = known.get(event.run)
    if open_run is None:
        raise NotFoundError(f"host {host.name} has no run {event.run}")
    following = event.next if isinstance(event, StepEnded) else None
    for step in (event.step, event.step if following is None else following):
        if step not in open_run.steps:
            raise NotFoundError(f"run {event.run} has no step {step}")
    if event.epoch > open_run.run.epoch:
        raise ConflictError(
            f"run {event.run} is at epoch {open_run.run.epoch}, the event at {event.epoch}"
        )
    return open_run


def _dated(event: Event, open_run: OpenRun, now: datetime) -> Event:
    """Return the event; the time of a host whose clock is days away is replaced by the server's."""
    at = near(event.at, earliest=open_run.job.submitted_at, latest=now)
    return event if at == event.at else replace(event, at=at)
