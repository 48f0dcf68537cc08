"""Waiting jobs onto free devices: what could be paired, and a pairing written as a run.

Reading, planning and writing are apart, so that no row is locked while plans are built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from sqlalchemy import ARRAY, Text, bindparam, func, insert, select, text
from sqlalchemy.orm import Session

from labq.domain.errors import Failure
from labq.domain.matching import FreeDevice, Occupancy, Pairing, WaitingJob, Want, match
from labq.domain.plan import Plan
from labq.domain.states import (
    SCHEDULABLE_HEALTH,
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.models.device import Device, Reservation
from labq.models.host import Host
from labq.models.job import Job, JobDefinition
from labq.models.run import Run, RunPlan, Step
from labq.services import deliveries, results, transitions
from labq.services.transitions import SYSTEM, By

MOST_PAIRINGS = 20
"""How many jobs each free device is offered in one pass, and so how many one pass can pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A job, the device it could run on, and the id that its run would have."""

    job: int
    run: int
    device: str
    device_type: str
    template: str
    host: str
    host_address: str
    definition: str
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A proposal whose plan stands; `text` is the plan's JSON, `digest` its name."""

    proposal: Proposal
    plan: Plan
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Unplannable:
    """A job that cannot run on this kind of device, with the reason."""

    job: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class BadDevice:
    """A device whose dictionary does not render, with the reason."""

    device: str
    reason: str


def propose(session: Session, random: Random) -> list[Proposal]:
    """Return pairs of the best waiting jobs and free devices; empty when there is nothing to do."""
    rows = session.execute(_CANDIDATES, {"most": MOST_PAIRINGS}).all()
    if not rows:
        return []
    devices = {
        row.name: FreeDevice(
            name=row.name,
            device_type=row.device_type,
            host=row.host,
            tags=frozenset(row.device_tags),
            exclusive=frozenset(row.exclusive),
        )
        for row in rows
    }
    jobs = {
        row.id: WaitingJob(
            id=row.id,
            priority=row.priority,
            submitted=row.submitted_at,
            want=Want(
                device_type=row.device_type,
                tags=frozenset(row.tags),
                device=row.wanted_device,
                host=row.wanted_host,
            ),
        )
        for row in rows
    }
    taken = _taken(session, list(devices.values()))
    pairings = match(jobs.values(), list(devices.values()), random=random, taken=taken)
    return _proposals(session, pairings)


def reserve(session: Session, planned: Sequence[Planned], now: datetime) -> list[Planned]:
    """Write runs for those whose job still waits and whose device is still free; return them."""
    jobs = _lock_waiting(session, [one.proposal.job for one in planned])
    devices = _lock_free(session, [one.proposal.device for one in planned])
    kept = [one for one in planned if one.proposal.job in jobs and one.proposal.device in devices]
    by = By(SYSTEM, now)
    for one in kept:
        job, device = jobs[one.proposal.job], devices[one.proposal.device]
        session.add(_new_run(one, device, now))
        device.run_id = job.run_id = one.proposal.run
        job.device_id = device.id
        transitions.move_job(session, job, JobState.SCHEDULED, by)
        transitions.move_device(session, device, DeviceState.RESERVED, by)
    session.flush()
    _insert_parts(session, kept, now)
    transitions.tell(session, jobs=[one.proposal.job for one in kept])
    return kept


def refuse(session: Session, unplannable: Sequence[Unplannable], now: datetime) -> None:
    """End jobs that cannot run: incomplete, with the cases `lava/validate` and `lava/job`."""
    failures = {one.job: one.failure for one in unplannable}
    jobs = _lock_waiting(session, list(failures))
    own = []
    for job in jobs.values():
        failure = failures[job.id]
        transitions.finish_job(session, job, Outcome.INCOMPLETE, failure, by=By(SYSTEM, now))
        own.append(results.validate_result(job.id, failure, at=now))
        own.append(results.job_result(job.id, None, 0, failure=failure, at=now))
        definition = session.get_one(JobDefinition, job.id)
        deliveries.add_due(session, job, definition.notify, now)
    results.store(session, (), own)
    transitions.tell(session, jobs=jobs)


def set_aside(session: Session, bad: Sequence[BadDevice], now: datetime) -> None:
    """Take devices whose dictionary is wrong out of use; their jobs wait for another one."""
    reasons = {one.device: one.reason for one in bad}
    for name, device in _lock_free(session, list(reasons)).items():
        by = By(SYSTEM, now, reasons[name])
        transitions.set_device_health(session, device, DeviceHealth.BAD, by)


_CANDIDATES = text("""
WITH free AS (
  SELECT device.name, device.device_type, device.host, device.tags, device.exclusive,
         count(*) OVER (PARTITION BY device.device_type) AS peers
    FROM device JOIN host ON host.name = device.host
   WHERE device.state = 'idle' AND device.health IN ('good', 'unknown')
     AND host.state = 'online' AND host.health = 'active'
)
SELECT free.name, free.device_type, free.host, free.tags AS device_tags, free.exclusive,
       waiting.id, waiting.priority, waiting.submitted_at, waiting.tags,
       waiting.wanted_device, waiting.wanted_host
  FROM free CROSS JOIN LATERAL (
    SELECT id, priority, submitted_at, tags, wanted_device, wanted_host
      FROM job
     WHERE job.state = 'submitted' AND job.device_type = free.device_type
       AND (job.wanted_device IS NULL OR job.wanted_device = free.name)
       AND (job.wanted_host IS NULL OR job.wanted_host = free.host)
       AND job.tags <@ free.tags
     ORDER BY job.priority DESC, job.id
     LIMIT least(free.peers, :most)
  ) AS waiting
""")


def _taken(session: Session, devices: Sequence[FreeDevice]) -> Occupancy:
    """Return what is held of the resources that these devices would share with others."""
    shared = {name for device in devices for name in device.exclusive}
    if not shared:
        return Occupancy()
    held = select(Reservation.resource).where(
        Reservation.released_at.is_(None), Reservation.resource.in_(shared)
    )
    return Occupancy(resources=frozenset(session.scalars(held)))


def _proposals(session: Session, pairings: Sequence[Pairing]) -> list[Proposal]:
    query = (
        select(
            func.nextval(func.pg_get_serial_sequence("run", "id")).label("run"),
            Device.name,
            Device.device_type,
            Device.template,
            Device.host,
            Host.address,
            JobDefinition.job_id,
            JobDefinition.definition,
        )
        .select_from(_PAIRS)
        .join(Device, Device.name == _PAIRS.c.device)
        .join(Host, Host.name == Device.host)
        .join(JobDefinition, JobDefinition.job_id == _PAIRS.c.job)
    )
    chosen = {pairing.job: pairing for pairing in pairings[:MOST_PAIRINGS]}
    values = {"jobs": list(chosen), "devices": [pairing.device for pairing in chosen.values()]}
    return [
        Proposal(
            job=row.job_id,
            run=row.run,
            device=row.name,
            device_type=row.device_type,
            template=row.template,
            host=row.host,
            host_address=row.address,
            definition=row.definition,
            resources=chosen[row.job_id].resources,
        )
        for row in session.execute(query, values)
    ]


_PAIRS = (
    func.unnest(
        bindparam("jobs", type_=ARRAY(Job.id.type)), bindparam("devices", type_=ARRAY(Text))
    )
    .table_valued("job", "device", name="pair")
    .render_derived()
)


def _lock_waiting(session: Session, jobs: Sequence[int]) -> dict[int, Job]:
    query = (
        select(Job)
        .where(Job.id.in_(jobs), Job.state == JobState.SUBMITTED)
        .order_by(Job.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return {job.id: job for job in session.scalars(query)} if jobs else {}


def _lock_free(session: Session, names: Sequence[str]) -> dict[str, Device]:
    query = (
        select(Device)
        .join(Host, Host.name == Device.host)
        .where(Device.name.in_(names), Device.state == DeviceState.IDLE)
        .where(Device.health.in_(SCHEDULABLE_HEALTH))
        .where(Host.state == HostState.ONLINE, Host.health == HostHealth.ACTIVE)
        .order_by(Device.name)
        .with_for_update(key_share=True, skip_locked=True, of=Device)
    )
    return {device.name: device for device in session.scalars(query)} if names else {}


def _new_run(one: Planned, device: Device, now: datetime) -> Run:
    return Run(
        id=one.proposal.run,
        job_id=one.proposal.job,
        number=1,
        device_id=device.id,
        host=one.proposal.host,
        state=RunState.RESERVED,
        epoch=1,
        next=0,
        sent=None,
        reserved_at=now,
    )


def _insert_parts(session: Session, planned: Sequence[Planned], now: datetime) -> None:
    """Insert plans, steps and reservations of new runs, a statement for each table."""
    if not planned:
        return
    session.execute(
        insert(RunPlan),
        [{"run_id": one.plan.run, "digest": one.digest, "plan": one.text} for one in planned],
    )
    session.execute(insert(Step), [row for one in planned for row in _steps_of(one.plan)])
    session.execute(
        insert(Reservation),
        [
            {"resource": resource, "run_id": one.plan.run, "reserved_at": now}
            for one in planned
            for resource in one.proposal.resources
        ],
    )


def _steps_of(plan: Plan) -> list[Mapping[str, object]]:
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
