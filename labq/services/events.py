"""Durable events of a host, applied once and in order; what cannot be applied is set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError
from labq.domain.events import Event, ResultReported, StepBegan, StepEnded
from labq.models.control import RejectedEvent
from labq.models.host import Host
from labq.services import closing, open_runs, runs, transitions
from labq.services.closing import Ended
from labq.services.open_runs import OpenRun
from labq.services.transitions import SYSTEM, By, Work

MOST_PAYLOAD = 20_000


def apply(session: Session, host: Host, events: Sequence[Event], now: datetime) -> None:
    """Apply the events that follow `host.sequence`; the host's row is locked by the caller.

    Raises what an event that does not fit raises: nothing of the transaction may be kept then.
    """
    known = open_runs.load(session, {event.run for event in events})
    by = By(SYSTEM, now)
    reported: list[tuple[int, ResultReported]] = []
    ended: list[Ended] = []
    for event in events:
        open_run = _find(known, host, event)
        match event:
            case StepBegan():
                runs.begin(session, open_run, event, by)
            case StepEnded():
                one = runs.end(session, open_run, event, by)
                ended += [one] if one else []
            case ResultReported():
                if runs.counts(open_run, event):
                    reported.append((open_run.job.id, event))
            case _:
                assert_never(event)
    closing.settle(session, ended, by, reported)
    host.sequence += len(events)
    jobs = sorted({row.job.id for row in known.values()})
    transitions.tell(session, jobs=jobs, work=[Work.PAIRING] if ended else [])


def reject(session: Session, host: Host, payload: str, *, reason: str, now: datetime) -> None:
    """Set aside something of a host that is no event, or cannot be applied, with its reason."""
    session.add(
        RejectedEvent(host=host.name, at=now, payload=_storable(payload), reason=_storable(reason))
    )


def _find(known: Mapping[int, OpenRun], host: Host, event: Event) -> OpenRun:
    """Return the event's run; raises when it is not one that this host could tell about."""
    open_run = known.get(event.run)
    if open_run is None or open_run.run.host != host.name:
        raise NotFoundError(f"host {host.name} has no run {event.run}")
    if event.step not in open_run.steps:
        raise NotFoundError(f"run {event.run} has no step {event.step}")
    if event.epoch > open_run.run.epoch:
        raise ConflictError(
            f"run {event.run} is at epoch {open_run.run.epoch}, the event at {event.epoch}"
        )
    return open_run


def _storable(text: str) -> str:
    return text[:MOST_PAYLOAD].replace("\0", "\\0")
