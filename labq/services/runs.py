"""The life of a run as its host's events tell it: steps begin and end, it goes back, it closes.

The rules are those of docs/architecture.md, "The gate", 5 to 7.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure, NotFoundError
from labq.domain.events import StepBegan, StepEnd, StepEnded
from labq.domain.states import (
    DeviceHealth,
    DeviceState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.models.base import Json
from labq.models.device import Device, Reservation
from labq.models.job import Job, JobDefinition
from labq.models.run import Run, Step
from labq.services import deliveries, results, transitions
from labq.services.results import OwnResult
from labq.services.transitions import By

DOUBTFUL = (ErrorType.INFRASTRUCTURE, ErrorType.BUG, ErrorType.CONFIGURATION)
"""Errors after which a device is no longer known to be good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run with all that its events change, locked."""

    run: Run
    job: Job
    device: Device
    steps: Mapping[int, Step]
    notify: Json | None

    @property
    def collect(self) -> int:
        """Return the position of the last step."""
        return max(self.steps)


def load(session: Session, runs: Collection[int]) -> dict[int, OpenRun]:
    """Return the runs that exist, with their rows locked in one order for everybody."""
    rows = session.execute(_LOCKED_RUNS, {"runs": list(runs)}).all()
    steps: dict[int, dict[int, Step]] = {run.id: {} for run, _, _, _ in rows}
    for step in session.scalars(_STEPS, {"runs": list(steps)}):
        steps[step.run_id][step.position] = step
    return {
        run.id: OpenRun(run=run, job=job, device=device, steps=steps[run.id], notify=notify)
        for run, job, device, notify in rows
    }


_LOCKED_RUNS = (
    select(Run, Job, Device, JobDefinition.notify)
    .join(Job, Job.id == Run.job_id)
    .join(Device, Device.id == Run.device_id)
    .join(JobDefinition, JobDefinition.job_id == Job.id)
    .where(Run.id.in_(bindparam("runs", expanding=True)))
    .order_by(Job.id, Run.id)
    .with_for_update(key_share=True, of=(Job, Run, Device))
    .execution_options(populate_existing=True)
)
_STEPS = (
    select(Step)
    .where(Step.run_id.in_(bindparam("runs", expanding=True)))
    .execution_options(populate_existing=True)
)


def begin(session: Session, known: OpenRun, event: StepBegan, by: By) -> None:
    """Note that a step was granted; one of an older epoch or of an ended run changes nothing."""
    run, step = known.run, known.steps[event.step]
    if run.state is RunState.ENDED or event.epoch < run.epoch:
        return
    if step.state is not StepState.RUNNING:
        transitions.move_step(session, step, StepState.RUNNING, by)
    step.epoch, step.begins = event.epoch, event.begins
    step.began_at = event.at
    step.waited_ms = event.waited_ms
    if run.state is RunState.RESERVED:
        # Events gather before they are applied: the host says when it was. A host whose clock is
        # wrong cannot put it before the submission, or after now.
        began = replace(by, at=min(max(event.at, known.job.submitted_at), by.at))
        transitions.move_run(session, run, RunState.RUNNING, began)
        transitions.move_job(session, known.job, JobState.RUNNING, began)
        transitions.move_device(session, known.device, DeviceState.RUNNING, began)
        deliveries.add_due(session, known.job, known.notify, by.at)


def end(session: Session, known: OpenRun, event: StepEnded, by: By) -> OwnResult | None:
    """Note that a step is over; return the case `lava/job` if that ended the run and the job.

    An end of an older epoch changes nothing, but one that closes the run is accepted at any.
    What an ended run holds is freed by `release`.
    """
    run, step = known.run, known.steps[event.step]
    is_closing = event.next is None
    if run.state is RunState.ENDED or (event.epoch < run.epoch and not is_closing):
        return None
    _end_step(session, step, event, by)
    if event.end is StepEnd.FAILED and run.error_type is None:
        failure = _failure_of(event)
        run.error_type, run.error_message = failure.type, failure.message
    return _close(session, known, by) if is_closing else None


def go_back(session: Session, known: OpenRun, to: int, by: By) -> None:
    """Raise the epoch and go on from step `to`; results from there on are superseded."""
    run = known.run
    results.supersede(session, run.id, to)
    for position, step in known.steps.items():
        if position >= to and step.state is not StepState.WAITING:
            transitions.move_step(session, step, StepState.WAITING, by)
            step.began_at = step.ended_at = step.error_type = None
            step.error_message = ""
            step.begins = 0
    run.epoch += 1
    send_from(known, to, by.reason)


def send_from(known: OpenRun, step: int, reason: str) -> None:
    """Have the chain sent from `step` on, at the run's epoch, by whoever leads."""
    known.run.next = step
    known.run.sent = None
    known.run.sent_reason = reason


def send_lost_step(session: Session, known: OpenRun, position: int, by: By) -> None:
    """Have a step sent again that nobody on the host has.

    One that never began, or that restarts from itself, at the same epoch; else the run goes back.
    Raises NotFoundError for a step that the run does not have.
    """
    step = known.steps.get(position)
    if step is None:
        raise NotFoundError(f"run {known.run.id} has no step {position}")
    if step.state is StepState.RUNNING and step.restart_from < position:
        go_back(session, known, step.restart_from, by)
    else:
        send_from(known, position, by.reason)


def send_unknown_run(session: Session, known: OpenRun, by: By) -> None:
    """Have a run sent again that its host does not know: from its beginning once it had begun."""
    if all(step.state is StepState.WAITING for step in known.steps.values()):
        send_from(known, known.run.next, by.reason)
    else:
        is_canceling = known.run.state is RunState.CANCELING
        go_back(session, known, known.collect if is_canceling else 0, by)


def cancel(session: Session, known: OpenRun, by: By) -> None:
    """Stop a run: only `collect` follows, at a higher epoch."""
    run = known.run
    if run.error_type is None:
        run.error_type, run.error_message = ErrorType.CANCELED, by.reason
    transitions.move_run(session, run, RunState.CANCELING, by)
    transitions.move_job(session, known.job, JobState.CANCELING, by)
    go_back(session, known, known.collect, by)


def release(session: Session, runs: Collection[int], by: By) -> None:
    """Free all resources that ended runs hold."""
    if runs:
        session.execute(
            update(Reservation)
            .where(Reservation.run_id.in_(runs), Reservation.released_at.is_(None))
            .values(released_at=by.at)
            .execution_options(synchronize_session=False)
        )


def _end_step(session: Session, step: Step, event: StepEnded, by: By) -> None:
    is_done = event.end is StepEnd.DONE
    transitions.move_step(session, step, StepState.DONE if is_done else StepState.FAILED, by)
    step.epoch = event.epoch
    step.ended_at = event.at
    if not is_done:
        failure = _failure_of(event)
        step.error_type, step.error_message = failure.type, failure.message


def _failure_of(event: StepEnded) -> Failure:
    unexplained = Failure(type=ErrorType.BUG, message=f"step {event.step} failed without a reason")
    return event.failure or unexplained


def _close(session: Session, known: OpenRun, by: By) -> OwnResult:
    """End a run and its job, and free its device."""
    run, job, device = known.run, known.job, known.device
    outcome, failure = _judge(known)
    for step in known.steps.values():
        if step.state in (StepState.WAITING, StepState.RUNNING):
            transitions.move_step(session, step, StepState.SKIPPED, by)
    transitions.move_run(session, run, RunState.ENDED, by)
    transitions.finish_job(session, job, outcome, failure, by=by)
    transitions.move_device(session, device, DeviceState.IDLE, by)
    device.run_id = None
    if run.error_type in DOUBTFUL and device.health is DeviceHealth.GOOD:
        doubt = replace(by, reason=f"job {job.id}: {run.error_type}: {run.error_message}")
        transitions.set_device_health(session, device, DeviceHealth.UNKNOWN, doubt)
    deliveries.add_due(session, job, known.notify, by.at)
    return results.job_result(job.id, run.id, run.epoch, failure=failure, at=by.at)


def _judge(known: OpenRun) -> tuple[Outcome, Failure | None]:
    """Return how the job of a run that is over ended: complete when every step is done."""
    run = known.run
    failure = None
    if run.error_type is not None:
        failure = Failure(type=run.error_type, message=run.error_message)
    if run.state is RunState.CANCELING:
        is_cancel = failure is not None and failure.type is ErrorType.CANCELED
        told = failure if is_cancel else Failure(type=ErrorType.CANCELED, message="canceled")
        return Outcome.CANCELED, told
    undone = [step.name for step in known.steps.values() if step.state is not StepState.DONE]
    if undone and failure is None:
        message = f"the host closed the run without the steps {', '.join(undone)}"
        failure = Failure(type=ErrorType.BUG, message=message)
    return (Outcome.INCOMPLETE, failure) if failure else (Outcome.COMPLETE, None)
