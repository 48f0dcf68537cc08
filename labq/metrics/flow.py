"""How long jobs wait and steps take: `queue_wait.<type>`, `slot_wait.<queue>`, `step.<kind>`, `job`.

A session factory is watched: what its transactions change is collected and sent once committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.orm.util import identity_key

from labq import statsd
from labq.domain.states import JobState, RunState, StepState
from labq.metrics import hosts
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run, Step

_PENDING = "labq.metrics"
_ENDED = (StepState.DONE, StepState.FAILED)


@dataclass(frozen=True, slots=True)
class Figure:
    """A name to count, the milliseconds to send for it, or the present value of a gauge."""

    name: str
    ms: float | None = None
    value: float | None = None


def watch(sessions: sessionmaker[Session]) -> None:
    """Send figures for what the sessions of this factory commit from now on."""
    event.listen(sessions, "after_flush", _collect)
    event.listen(sessions, "after_commit", _send)
    event.listen(sessions, "after_rollback", _forget)


def figures(session: Session) -> Iterator[Figure]:
    """Yield the figures of the rows that a flush of this session writes."""
    for row in (*session.new, *session.dirty):
        if isinstance(row, Host) and _has_changed(row, "slots", "load"):
            yield from (Figure(name, value=value) for name, value in hosts.gauges(row))
        if not isinstance(row, Run | Step | Job) or not _has_changed(row, "state"):
            continue
        match row:
            case Run(state=RunState.RESERVED):
                yield from _of_reservation(session, row)
            case Step():
                yield from _of_step(row)
            case Job(state=JobState.FINISHED):
                yield from _of_job(row)
            case _:
                pass


def _has_changed(row: Run | Step | Job | Host, *columns: str) -> bool:
    return any(get_history(row, column).has_changes() for column in columns)


def _of_reservation(session: Session, run: Run) -> Iterator[Figure]:
    job = session.identity_map.get(identity_key(Job, run.job_id))
    if isinstance(job, Job):
        waited = (run.reserved_at - job.submitted_at).total_seconds() * 1000
        yield Figure(f"queue_wait.{statsd.segment(job.device_type)}", waited)


def _of_step(step: Step) -> Iterator[Figure]:
    if step.state is StepState.RUNNING:
        yield Figure(f"slot_wait.{step.queue}", step.waited_ms)
    elif step.state in _ENDED and step.began_at and step.ended_at:
        took = (step.ended_at - step.began_at).total_seconds() * 1000
        yield Figure(f"step.{step.kind}.{step.state}", took)


def _of_job(job: Job) -> Iterator[Figure]:
    yield Figure(f"jobs.{job.outcome}")
    if job.error_type is not None:
        yield Figure(f"errors.{statsd.segment(job.error_type)}")
    if job.started_at and job.ended_at:
        yield Figure("job", (job.ended_at - job.started_at).total_seconds() * 1000)


def _collect(session: Session, _flush: object) -> None:
    session.info.setdefault(_PENDING, []).extend(figures(session))


def _send(session: Session) -> None:
    for figure in session.info.pop(_PENDING, ()):
        if figure.value is not None:
            statsd.gauge(figure.name, figure.value)
        elif figure.ms is not None:
            statsd.timing(figure.name, figure.ms)
        else:
            statsd.incr(figure.name)


def _forget(session: Session) -> None:
    session.info.pop(_PENDING, None)
