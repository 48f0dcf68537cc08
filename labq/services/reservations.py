"""A pairing written as a run, or refused: rows are locked only now, when the plans are built."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, insert, or_, select
from sqlalchemy.orm import Session

from labq.domain.health_checks import CHECKED_HEALTH
from labq.domain.plan import Plan
from labq.domain.states import (
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.models.base import table_of
from labq.models.device import Device, Reservation
from labq.models.host import Host
from labq.models.job import Job, JobDefinition
from labq.models.run import Run, RunPlan, Step
from labq.services import audience_moves, deliveries, job_groups, results, transitions
from labq.services.scheduling import BadDevice, Planned, Proposal, Unplannable
from labq.services.transitions import SYSTEM, By


def reserve(session: Session, planned: Sequence[Planned], now: datetime) -> list[Planned]:
    """Write runs for those whose job still waits and whose device is still free; return them.

    Those of a group are written together or not at all.
    """
    jobs = _lock_waiting(session, [one.proposal.job for one in planned])
    devices = _lock_free(session, [one.proposal.device for one in planned])
    kept = _whole_groups(
        [
            one
            for one in planned
            if one.proposal.job in jobs
            and one.proposal.device in devices
            and devices[one.proposal.device].host == one.proposal.host
            and _may_take(jobs[one.proposal.job], devices[one.proposal.device])
        ]
    )
    by = By(SYSTEM, now)
    numbers = _numbers(session, [job for job in jobs.values() if job.waits_again])
    for one in kept:
        job, device = jobs[one.proposal.job], devices[one.proposal.device]
        job.run_id, job.host = one.proposal.run, one.proposal.host
        if not one.proposal.is_guest:
            job.device_id, device.run_id = device.id, one.proposal.run
        audience_moves.follow(session, job, device.audience_id)
        if job.waits_again:
            job.waits_again = False
        else:
            transitions.move_job(session, job, JobState.SCHEDULED, by)
        if device.run_id == one.proposal.run:
            _occupy(session, device, job, by)
        session.add(_new_run(one.proposal, device, numbers.get(job.id, 1), now))
    if kept:
        session.flush()
        _insert_parts(session, kept, now)
        transitions.tell(session, jobs=[one.proposal.job for one in kept])
    return kept


def units(planned: Sequence[Planned]) -> list[list[Planned]]:
    """Return what has to be reserved together: the members of a group, each other job alone."""
    found: dict[object, list[Planned]] = {}
    for one in planned:
        place = one.proposal.place
        key = ("job", one.proposal.job) if place is None else ("group", place.group)
        found.setdefault(key, []).append(one)
    return list(found.values())


def _whole_groups(planned: Sequence[Planned]) -> list[Planned]:
    """Leave out groups of which a member is missing."""
    return [
        one
        for unit in units(planned)
        for one in unit
        if one.proposal.place is None or len(unit) == len(one.proposal.place.roles)
    ]


def _occupy(session: Session, device: Device, job: Job, by: By) -> None:
    """Have a job hold a device."""
    if not job.is_health_check:
        device.jobs_since_check += 1
    transitions.move_device(session, device, DeviceState.RESERVED, by)


def refuse(session: Session, unplannable: Sequence[Unplannable], now: datetime) -> None:
    """End jobs that cannot run: incomplete, with the cases `lava/validate` and `lava/job`.

    A device whose health check cannot run on it is bad.
    """
    failures = {one.job: one.failure for one in unplannable}
    jobs = _lock_waiting(session, list(failures))
    own = []
    for job in jobs.values():
        failure = failures[job.id]
        transitions.finish_job(session, job, Outcome.INCOMPLETE, failure, by=By(SYSTEM, now))
        if job.group_id is not None:
            job_groups.doom(session, job.group_id, f"job {job.id} cannot run: {failure.message}")
        own.append(results.validate_result(job, job.run_id, failure, at=now))
        own.append(results.job_result(job, job.run_id, 0, failure=failure, at=now))
        definition = session.get_one(JobDefinition, job.id)
        deliveries.add_due(session, job, definition.notify, now)
        if job.is_health_check and job.wanted_device:
            reason = f"its health check cannot run: job {job.id}: {failure.message}"
            set_aside(session, [BadDevice(job.wanted_device, reason)], now)
    results.store(session, (), own)
    transitions.tell(session, jobs=jobs)


def set_aside(session: Session, bad: Sequence[BadDevice], now: datetime) -> None:
    """Take devices whose dictionary is wrong out of use; their jobs wait for another one."""
    reasons = {one.device: one.reason for one in bad}
    for name, device in _lock_free(session, list(reasons)).items():
        by = By(SYSTEM, now, reasons[name])
        transitions.set_device_health(session, device, DeviceHealth.BAD, by)


def _may_take(job: Job, device: Device) -> bool:
    """Tell whether a device that is free is so for this job: looping ones run health checks alone."""
    return job.is_health_check or device.health is not DeviceHealth.LOOPING


def _numbers(session: Session, again: Sequence[Job]) -> dict[int, int]:
    """Return the numbers that the further runs of jobs get."""
    if not again:
        return {}
    query = (
        select(Run.job_id, func.max(Run.number))
        .where(Run.job_id.in_([job.id for job in again]))
        .group_by(Run.job_id)
    )
    return {job: last + 1 for job, last in session.execute(query)}


def _lock_waiting(session: Session, jobs: Sequence[int]) -> dict[int, Job]:
    """Return those of the jobs that wait, locked; jobs that somebody else holds are left out."""
    found = session.scalars(_WAITING, {"jobs": list(jobs)}) if jobs else ()
    return {job.id: job for job in found}


_WAITING = (
    select(Job)
    .where(Job.id.in_(bindparam("jobs", expanding=True)))
    .where(or_(Job.state == JobState.SUBMITTED, Job.waits_again))
    .order_by(Job.id)
    .with_for_update(key_share=True, skip_locked=True)
)


def _lock_free(session: Session, names: Sequence[str]) -> dict[str, Device]:
    """Return those of the devices that are free, locked."""
    found = session.scalars(_FREE, {"names": list(names)}) if names else ()
    return {device.name: device for device in found}


_FREE = (
    select(Device)
    .join(Host, Host.name == Device.host)
    .where(Device.name.in_(bindparam("names", expanding=True)))
    .where(Device.state == DeviceState.IDLE, Device.health.in_(CHECKED_HEALTH))
    .where(Host.state == HostState.ONLINE, Host.health == HostHealth.ACTIVE)
    .order_by(Device.name)
    .with_for_update(key_share=True, skip_locked=True, of=Device)
)


def _insert_parts(session: Session, planned: Sequence[Planned], now: datetime) -> None:
    """Insert the plans, steps and reservations of new runs, a statement for each table."""
    plans = [{"run_id": one.plan.run, "digest": one.digest, "plan": one.text} for one in planned]
    steps = [row for one in planned for row in _steps_of(one.plan)]
    reservations = [
        {"resource": resource, "run_id": one.plan.run, "reserved_at": now}
        for one in planned
        for resource in one.proposal.resources
    ]
    for table, rows in ((RunPlan, plans), (Step, steps), (Reservation, reservations)):
        session.execute(insert(table_of(table)), rows)


def _new_run(proposal: Proposal, device: Device, number: int, now: datetime) -> Run:
    return Run(
        id=proposal.run,
        job_id=proposal.job,
        number=number,
        device_id=device.id,
        host=proposal.host,
        state=RunState.RESERVED,
        epoch=1,
        next=0,
        sent=None,
        reserved_at=now,
        is_guest=proposal.is_guest,
    )


def _steps_of(plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "run_id": plan.run,
            "position": step.index,
            "kind": step.kind,
            "queue": step.queue,
            "name": step.name,
            "method": step.method,
            "restart_from": step.restart_from,
            "state": StepState.WAITING,
        }
        for step in plan.steps
    ]
