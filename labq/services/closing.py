"""How a run ends: what becomes of its job, its device and the device's health."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import update
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure
from labq.domain.events import ResultReported
from labq.domain.health_checks import CHECKED_HEALTH
from labq.domain.states import DeviceHealth, DeviceState, Outcome, RunState, StepState
from labq.models.device import Device, Reservation
from labq.models.job import Job
from labq.services import deliveries, job_groups, results, transitions
from labq.services.open_runs import OpenRun
from labq.services.results import OwnResult
from labq.services.transitions import By

DOUBTFUL = (ErrorType.INFRASTRUCTURE, ErrorType.BUG, ErrorType.CONFIGURATION)
"""Errors after which a device is no longer known to be good."""
_JUDGED_BY_CHECKS = (DeviceHealth.GOOD, DeviceHealth.UNKNOWN, DeviceHealth.BAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that is over. `case` is `lava/job`, None when the job goes on or ended before.

    `is_torn_down`: nobody touches the device any more. `has_successor`: a further run is to follow.
    """

    run: int
    job: Job
    case: OwnResult | None = None
    is_torn_down: bool = True
    has_successor: bool = False


def close(session: Session, known: OpenRun, by: By, fault: str = "") -> Ended:
    """End a run that its host has closed, end its job unless it runs again, free its device.

    A device of which the host tells a `fault` is taken out of use at once.
    """
    ended = _end(session, known, by)
    if not known.run.is_guest:
        _take_out(session, known, fault, by)
        _free(session, known.device, by)
    return ended


def give_up(session: Session, known: OpenRun, why: Failure, by: By) -> Ended:
    """End a run without its host, which may still be at work: its device stays held.

    The host is sent to `collect` at a higher epoch, whenever it reads that.
    """
    run = known.run
    if run.error_type is None:
        run.error_type, run.error_message, run.is_host_fault = why.type, why.message, True
    run.lost_at = by.at
    run.epoch += 1
    known.send_from(known.collect, why.message)
    return replace(_end(session, known, by), is_torn_down=False)


def tear_down(session: Session, known: OpenRun, by: By, fault: str = "") -> Ended:
    """Take in that nothing of a run that was given up is left on its host: its device is free."""
    known.run.torn_down_at = by.at
    if known.run.is_guest:
        return Ended(run=known.run.id, job=known.job)
    _take_out(session, known, fault, by)
    _free(session, known.device, by)
    if known.device.health is DeviceHealth.GOOD:
        doubt = replace(by, reason=f"job {known.job.id}: {known.run.error_message}")
        transitions.set_device_health(session, known.device, DeviceHealth.UNKNOWN, doubt)
    return Ended(run=known.run.id, job=known.job)


def settle(
    session: Session,
    ended: Collection[Ended],
    by: By,
    reported: Sequence[tuple[Job, ResultReported]] = (),
) -> None:
    """Store results and what ended runs add to them, and release what nobody holds any more."""
    results.store(session, reported, [one.case for one in ended if one.case])
    results.forget(session, [(one.job, one.run) for one in ended if one.has_successor])
    free = [one.run for one in ended if one.is_torn_down]
    if free:
        session.execute(
            update(Reservation)
            .where(Reservation.run_id.in_(free), Reservation.released_at.is_(None))
            .values(released_at=by.at)
            .execution_options(synchronize_session=False)
        )


def _end(session: Session, known: OpenRun, by: By) -> Ended:
    """End a run, and its job unless that is to run again."""
    run, job = known.run, known.job
    outcome, failure = _judge(known)
    for step in known.steps.values():
        if step.state in (StepState.WAITING, StepState.RUNNING):
            transitions.move_step(session, step, StepState.SKIPPED, by)
    if not run.is_guest:
        _settle_health(session, known, outcome, by)
    may_retry = run.state is not RunState.CANCELING and job.retries_left > 0
    transitions.move_run(session, run, RunState.ENDED, by)
    if may_retry and failure and failure.type is ErrorType.INFRASTRUCTURE:
        job.retries_left -= 1
        job.waits_again = True
        return Ended(run=run.id, job=job, has_successor=True)
    transitions.finish_job(session, job, outcome, failure, by=by)
    job_groups.note_end(session, job, by.at)
    deliveries.add_due(session, job, known.notify, by.at)
    case = results.job_result(job, run.id, run.epoch, failure=failure, at=by.at)
    return Ended(run=run.id, job=job, case=case)


def _take_out(session: Session, known: OpenRun, fault: str, by: By) -> None:
    """Take a device out of use that does not go off or does not answer."""
    if fault and known.device.health in CHECKED_HEALTH:
        bad = replace(by, reason=f"job {known.job.id}: {fault}")
        transitions.set_device_health(session, known.device, DeviceHealth.BAD, bad)


def _free(session: Session, device: Device, by: By) -> None:
    transitions.move_device(session, device, DeviceState.IDLE, by)
    device.run_id = None


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


def _settle_health(session: Session, known: OpenRun, outcome: Outcome, by: By) -> None:
    """Change the device's health as a health check has found it, or an error has made it doubtful."""
    job, run, device = known.job, known.run, known.device
    if job.is_health_check:
        _take_verdict(session, known, outcome, by)
    elif (
        run.error_type in DOUBTFUL and not run.is_host_fault and device.health is DeviceHealth.GOOD
    ):
        doubt = replace(by, reason=f"job {job.id}: {run.error_type}: {run.error_message}")
        transitions.set_device_health(session, device, DeviceHealth.UNKNOWN, doubt)


def _take_verdict(session: Session, known: OpenRun, outcome: Outcome, by: By) -> None:
    """Take a health check's word; one that failed by the host's fault says nothing of the board."""
    job, run, device = known.job, known.run, known.device
    if device.health not in _JUDGED_BY_CHECKS:
        return
    if outcome is Outcome.COMPLETE:
        found, reason = DeviceHealth.GOOD, f"health check passed: job {job.id}"
    elif run.is_host_fault:
        found = DeviceHealth.UNKNOWN
        reason = f"health check without a verdict: job {job.id}: {run.error_message}"
    else:
        found = DeviceHealth.BAD
        reason = f"health check failed: job {job.id}: {run.error_type}: {run.error_message}"
    set_health(session, device, found, replace(by, reason=reason))


def set_health(session: Session, device: Device, health: DeviceHealth, by: By) -> None:
    """Set what a locked device is fit for, or only the reason when it is that already."""
    if device.health is health:
        device.health_reason = by.reason
    else:
        transitions.set_device_health(session, device, health, by)
