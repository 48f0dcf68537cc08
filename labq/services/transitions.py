"""The only writer of state columns: which moves are legal, made on a locked row, with an audit row.

Every `move_*` takes a row that its session has locked, and raises ConflictError for a move that is
not in the tables. What a move means for other rows is the business of the callers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import bindparam, event, insert, inspect, select, text
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, Failure
from labq.domain.states import (
    DeliveryState,
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.models.base import Base, table_of
from labq.models.control import Audit
from labq.models.delivery import Alarm, Delivery
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run, Step
from labq.services import falls, occurrences, tally
from labq.services.occurrences import EVENT_CHANNEL, Occurrence, Topic

SYSTEM = "labq"
WORK_CHANNEL = "labq_work"
JOB_CHANNEL = "labq_job"
LOG_CHANNEL = "labq_log"
CHANGE_CHANNEL = "labq_change"
"""Tells of a change that neither JOB_CHANNEL nor WORK_CHANNEL told of."""
PENDING_AUDIT = "audit rows to write at the commit"
PENDING_TOLD = "notifications to send at the commit"


class Work(StrEnum):
    """What a notification on WORK_CHANNEL asks of the conductor."""

    PAIRING = "pairing"
    SENDING = "sending"
    DELIVERING = "delivering"
    CANCELING = "canceling"


_ANY_DEVICE_HEALTH = frozenset(DeviceHealth)
_ANY_HOST_HEALTH = frozenset(HostHealth)

JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.SUBMITTED: frozenset({JobState.SCHEDULED, JobState.FINISHED}),
    JobState.SCHEDULED: frozenset({JobState.RUNNING, JobState.CANCELING, JobState.FINISHED}),
    JobState.RUNNING: frozenset({JobState.CANCELING, JobState.FINISHED}),
    JobState.CANCELING: frozenset({JobState.FINISHED}),
    JobState.FINISHED: frozenset(),
}
RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.RESERVED: frozenset({RunState.RUNNING, RunState.CANCELING, RunState.ENDED}),
    RunState.RUNNING: frozenset({RunState.CANCELING, RunState.ENDED}),
    RunState.CANCELING: frozenset({RunState.ENDED}),
    RunState.ENDED: frozenset(),
}
STEP_MOVES: Mapping[StepState, frozenset[StepState]] = {
    StepState.WAITING: frozenset(
        {StepState.RUNNING, StepState.DONE, StepState.FAILED, StepState.SKIPPED}
    ),
    StepState.RUNNING: frozenset(
        {StepState.DONE, StepState.FAILED, StepState.WAITING, StepState.SKIPPED}
    ),
    StepState.DONE: frozenset({StepState.WAITING}),
    StepState.FAILED: frozenset({StepState.WAITING}),
    StepState.SKIPPED: frozenset(),
}
DEVICE_MOVES: Mapping[DeviceState, frozenset[DeviceState]] = {
    DeviceState.IDLE: frozenset({DeviceState.RESERVED}),
    DeviceState.RESERVED: frozenset({DeviceState.RUNNING, DeviceState.IDLE}),
    DeviceState.RUNNING: frozenset({DeviceState.IDLE}),
}
DEVICE_HEALTH_MOVES: Mapping[DeviceHealth, frozenset[DeviceHealth]] = {
    health: _ANY_DEVICE_HEALTH - {health} for health in DeviceHealth
}
HOST_MOVES: Mapping[HostState, frozenset[HostState]] = {
    HostState.ONLINE: frozenset({HostState.OFFLINE}),
    HostState.OFFLINE: frozenset({HostState.ONLINE}),
}
HOST_HEALTH_MOVES: Mapping[HostHealth, frozenset[HostHealth]] = {
    health: _ANY_HOST_HEALTH - {health} for health in HostHealth
}
DELIVERY_MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENT, DeliveryState.FAILED}),
    DeliveryState.SENT: frozenset(),
    DeliveryState.FAILED: frozenset(),
}

_State = TypeVar("_State", bound=StrEnum)
_Row = TypeVar("_Row", bound=Base)


@dataclass(frozen=True, slots=True)
class By:
    """Who makes a move, when, and why, as the audit trail keeps it."""

    actor: str
    at: datetime
    reason: str = ""


def lock(session: Session, table: type[_Row], keys: Iterable[object]) -> list[_Row]:
    """Return the rows with these primary keys, locked until the transaction ends.

    They are locked in the order of their keys, without blocking rows that refer to them.
    """
    (column,) = inspect(table).primary_key
    query = (
        select(table)
        .where(column.in_(list(keys)))
        .order_by(column)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def move_job(session: Session, job: Job, to: JobState, by: By) -> None:
    """Move a job on, but to its end: that is `finish_job`."""
    if to is JobState.FINISHED:
        raise ConflictError(f"job {job.id} ends only with an outcome")
    before = job.state
    _move(session, ("job", job.id), JOB_MOVES, (before, to), by=by)
    job.state = to
    if to is JobState.RUNNING:
        job.started_at = by.at
    tally.job_moved(session, job, before)
    tell_of_job(session, job, by.at)


def finish_job(
    session: Session, job: Job, outcome: Outcome, failure: Failure | None, *, by: By
) -> None:
    """End a job with its outcome and the error that explains it."""
    before = job.state
    _move(session, ("job", job.id), JOB_MOVES, (before, JobState.FINISHED), by=by)
    job.state = JobState.FINISHED
    job.outcome = outcome
    job.waits_again = False
    job.ended_at = by.at
    job.started_at = job.started_at or by.at
    if failure:
        job.error_type, job.error_message = failure.type, failure.message
    tally.job_moved(session, job, before)
    tell_of_job(session, job, by.at)


def move_run(session: Session, run: Run, to: RunState, by: By) -> None:
    """Move a run on."""
    _move(session, ("run", run.id), RUN_MOVES, (run.state, to), by=by)
    run.state = to
    if to is RunState.RUNNING:
        run.began_at = by.at
    if to is RunState.ENDED:
        run.ended_at = by.at


def move_step(session: Session, step: Step, to: StepState, by: By) -> None:
    """Move a step on, or back to waiting when its run goes back."""
    subject = ("step", f"{step.run_id}/{step.position}")
    _move(session, subject, STEP_MOVES, (step.state, to), by=by)
    step.state = to


def move_device(session: Session, device: Device, to: DeviceState, by: By) -> None:
    """Move a device between idle, reserved and running; an idle one goes to the host it waits for."""
    _move(session, ("device", device.name), DEVICE_MOVES, (device.state, to), by=by)
    device.state = to
    if to is DeviceState.IDLE and device.next_host:
        device.host, device.next_host = device.next_host, None
    _tell_of_device(session, device, by.at)


def set_device_health(session: Session, device: Device, to: DeviceHealth, by: By) -> None:
    """Change what a device is fit for; `by.reason` stays with the device."""
    _move(session, ("device", device.name), DEVICE_HEALTH_MOVES, (device.health, to), by=by)
    device.health = to
    device.health_reason = by.reason
    _tell_of_device(session, device, by.at)


def move_host(session: Session, host: Host, to: HostState, by: By) -> None:
    """Note that a host is there, or is silent."""
    _move(session, ("host", host.name), HOST_MOVES, (host.state, to), by=by)
    host.state = to
    _tell_of_host(session, host, by.at)


def set_host_health(session: Session, host: Host, to: HostHealth, by: By) -> None:
    """Change whether a host may be given work."""
    _move(session, ("host", host.name), HOST_HEALTH_MOVES, (host.health, to), by=by)
    host.health = to
    _tell_of_host(session, host, by.at)


def move_delivery(session: Session, delivery: Delivery, to: DeliveryState, by: By) -> None:
    """Note that a delivery arrived, or never will."""
    _move(session, ("delivery", delivery.id), DELIVERY_MOVES, (delivery.state, to), by=by)
    delivery.state = to
    if to is DeliveryState.SENT:
        delivery.sent_at = by.at


def tell(session: Session, *, jobs: Iterable[int] = (), work: Iterable[Work] = ()) -> None:
    """Wake, at the commit, who watches these jobs, and the conductor for this work."""
    messages = [(JOB_CHANNEL, str(job)) for job in jobs]
    messages += [(WORK_CHANNEL, kind.value) for kind in work]
    tell_all(session, messages)


def tell_all(session: Session, messages: Sequence[tuple[str, str]]) -> None:
    """Send (channel, payload) pairs at the commit, all of a transaction in one statement."""
    session.info.setdefault(PENDING_TOLD, []).extend(messages)


def tell_change(session: Session) -> None:
    """Say, at the commit, that something is not as it was, to those who keep what they computed."""
    told = session.info.setdefault(PENDING_TOLD, [])
    if all(channel == EVENT_CHANNEL for channel, _ in told):
        told.append((CHANGE_CHANNEL, ""))


def tell_of_job(session: Session, job: Job, at: datetime) -> None:
    """Tell, at the commit, those who follow events of a job's new state."""
    outcome = job.outcome.value if job.outcome else ""
    one = Occurrence(
        topic=Topic.JOB, at=at, subject=str(job.id), state=job.state.value, health=outcome
    )
    tell_all(session, [(EVENT_CHANNEL, occurrences.dump(one))])


def tell_said(session: Session, said: Iterable[tuple[int, str]], at: datetime) -> None:
    """Tell, at the commit, those who follow events what tests of runs said, as (run, text)."""
    happened = (Occurrence(topic=Topic.TEST, at=at, run=run, text=text) for run, text in said)
    tell_all(session, [(EVENT_CHANNEL, occurrences.dump(one)) for one in happened])


def _tell_of_device(session: Session, device: Device, at: datetime) -> None:
    one = Occurrence(
        topic=Topic.DEVICE,
        at=at,
        subject=device.name,
        state=str(device.state),
        health=str(device.health),
        run=None if device.state is DeviceState.IDLE else device.run_id,
    )
    tell_all(session, [(EVENT_CHANNEL, occurrences.dump(one))])


def _tell_of_host(session: Session, host: Host, at: datetime) -> None:
    one = Occurrence(
        topic=Topic.HOST,
        at=at,
        subject=host.name,
        state=str(host.state),
        health=str(host.health),
    )
    tell_all(session, [(EVENT_CHANNEL, occurrences.dump(one))])


_NOTIFY = text(
    "SELECT count(pg_notify(channel, payload))"
    " FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS told(channel, payload)"
).bindparams(bindparam("channels"), bindparam("payloads"))


def _move(
    session: Session,
    subject: tuple[str, str | int],
    moves: Mapping[_State, frozenset[_State]],
    move: tuple[_State, _State],
    *,
    by: By,
) -> None:
    """Check a move from one state to another, and write its audit row."""
    (kind, name), (before, after) = subject, move
    if after not in moves[before]:
        raise ConflictError(f"{kind} {name} is {before}: it cannot become {after}")
    row = {
        "at": by.at,
        "actor": by.actor,
        "subject": kind,
        "subject_id": str(name),
        "before": before.value,
        "after": after.value,
        "reason": by.reason,
    }
    session.info.setdefault(PENDING_AUDIT, []).append(row)


def _write_audit(session: Session) -> None:
    """Write the audit rows of a transaction in one statement, and tell, just before it commits."""
    rows = session.info.pop(PENDING_AUDIT, None)
    if rows:
        session.execute(insert(table_of(Audit)), rows)
        if fallen := falls.of_audit(rows, SYSTEM):
            session.execute(insert(table_of(Alarm)), fallen)
        tell_change(session)
    told = session.info.pop(PENDING_TOLD, None)
    if told:
        channels, payloads = zip(*told, strict=True)
        session.execute(_NOTIFY, {"channels": list(channels), "payloads": list(payloads)})


def _drop_audit(session: Session, *_rolled_back: object) -> None:
    """Forget the audit rows of moves that were not made."""
    session.info.pop(PENDING_AUDIT, None)
    session.info.pop(PENDING_TOLD, None)


event.listen(Session, "before_commit", _write_audit)
event.listen(Session, "after_soft_rollback", _drop_audit)
