"""The life of a run as its host's events tell it: steps begin and end, it goes back, it closes.

The rules are those of docs/architecture.md, "The gate", 5 to 7.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure, NotFoundError
from labq.domain.events import StepBegan, StepEnd, StepEnded
from labq.domain.states import DeviceState, JobState, RunState, StepState
from labq.models.run import Step
from labq.services import closing, deliveries, job_groups, results, transitions
from labq.services.closing import Ended
from labq.services.open_runs import OpenRun
from labq.services.transitions import By


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
        if not run.is_guest:
            transitions.move_device(session, known.device, DeviceState.RUNNING, began)
        if known.job.state is JobState.SCHEDULED:
            transitions.move_job(session, known.job, JobState.RUNNING, began)
            deliveries.add_due(session, known.job, known.notify, by.at)
        if known.job.group_id is not None:
            job_groups.note_begun(session, known.job.group_id, by.at)


def end(session: Session, known: OpenRun, event: StepEnded, by: By) -> Ended | None:
    """Note that a step is over; return what ended if that closed the run.

    An end of an older epoch changes nothing, but one that closes the run is accepted at any; of a
    run that was given up it says that its device is free. What has ended is for `closing.settle`.
    """
    run, step = known.run, known.steps[event.step]
    is_closing = event.next is None
    fault = "" if event.host_fault else event.device_fault
    if run.state is RunState.ENDED:
        is_awaited = is_closing and run.is_awaited
        return closing.tear_down(session, known, by, fault) if is_awaited else None
    if event.epoch < run.epoch and not is_closing:
        return None
    _end_step(session, step, event, by)
    if event.end is StepEnd.FAILED and run.error_type is None:
        failure = _failure_of(event)
        run.error_type, run.error_message = failure.type, failure.message
        run.is_host_fault = event.host_fault
    return closing.close(session, known, by, fault) if is_closing else None


def go_back(session: Session, known: OpenRun, to: int, by: By) -> None:
    """Raise the epoch and go on from step `to`; results from there on are superseded."""
    run = known.run
    results.supersede(session, known.job, run.id, to)
    for position, step in known.steps.items():
        if position >= to and step.state is not StepState.WAITING:
            transitions.move_step(session, step, StepState.WAITING, by)
            step.began_at = step.ended_at = step.error_type = None
            step.error_message = step.suspect = ""
            step.begins = 0
    run.epoch += 1
    known.send_from(to, by.reason)


def send_lost_step(
    session: Session, known: OpenRun, position: int, by: By, *, back: int | None = None
) -> None:
    """Have a step sent again that nobody on the host has.

    One that never began, or that restarts from itself, at the same epoch; else the run goes back,
    at least to the step `back` that the host names.
    Raises NotFoundError for a step that the run does not have.
    """
    step = known.steps.get(position)
    if step is None or (back is not None and back not in known.steps):
        raise NotFoundError(f"run {known.run.id} has no step {position if step is None else back}")
    restart = step.restart_from if step.state is StepState.RUNNING else position
    start = min(restart, position if back is None else back)
    if start < position:
        go_back(session, known, start, by)
    else:
        known.send_from(position, by.reason)


def send_unknown_run(session: Session, known: OpenRun, by: By) -> None:
    """Have a run sent again that its host does not know: from its beginning once it had begun."""
    if all(step.state is StepState.WAITING for step in known.steps.values()):
        known.send_from(known.run.next, by.reason)
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


def _end_step(session: Session, step: Step, event: StepEnded, by: By) -> None:
    is_done = event.end is StepEnd.DONE
    transitions.move_step(session, step, StepState.DONE if is_done else StepState.FAILED, by)
    step.epoch = event.epoch
    step.ended_at = event.at
    if not is_done:
        failure = _failure_of(event)
        step.error_type, step.error_message = failure.type, failure.message
        step.suspect = event.suspect


def _failure_of(event: StepEnded) -> Failure:
    unexplained = Failure(type=ErrorType.BUG, message=f"step {event.step} failed without a reason")
    return event.failure or unexplained
