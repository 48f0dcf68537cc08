"""What happened in the lab with all that its readers are told, and who may be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.models.audience import Audience
from labq.models.device import Device
from labq.models.job import Job
from labq.models.run import Run
from labq.models.user import User
from labq.services import job_ids
from labq.services.occurrences import Occurrence, Topic
from labq.services.visibility import EVERYBODY, Rule, Viewer, sees


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    """A job was submitted, or is in another state. `member` is "N.M" for one of a group."""

    job: int
    member: str | None
    name: str
    submitter: str
    state: str
    outcome: str | None
    priority: int
    is_health_check: bool
    device_type: str
    device: str | None
    host: str | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanged:
    """A device is in another state or health; `job` holds it, as clients are shown its id."""

    device: str
    device_type: str
    host: str
    state: str
    health: str
    job: int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChanged:
    """A host is in another state or health."""

    host: str
    state: str
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSaid:
    """A test of a job told something to those who follow events."""

    __test__ = False  # the name says what it is; pytest must not collect it
    job: int | str
    message: str


Change = JobChanged | DeviceChanged | HostChanged | TestSaid


@dataclass(frozen=True, slots=True)
class Sight:
    """Who sees a job or device: members by a rule, and the one who submitted the job."""

    rule: Rule
    submitter_id: int | None = None

    def is_open_to(self, viewer: Viewer) -> bool:
        """Tell whether a viewer sees it."""
        return sees(viewer, 0 if self.submitter_id is None else self.submitter_id, self.rule)


FREE = Sight(EVERYBODY)


@dataclass(frozen=True, slots=True)
class LabEvent:
    """A change and when it was. `sight` decides who is told, `job_sight` who is told of its job."""

    at: datetime
    change: Change
    sight: Sight = FREE
    job_sight: Sight = FREE

    @property
    def without_job(self) -> LabEvent:
        """Return the event for those who may see the device, but not the job on it."""
        if not isinstance(self.change, DeviceChanged):
            return self
        return replace(self, change=replace(self.change, job=None), job_sight=FREE)


def find(session: Session, happened: Sequence[Occurrence]) -> list[LabEvent]:
    """Return what is known of occurrences, in their order; what is gone meanwhile is left out."""
    of_runs = _jobs_of_runs(session, {one.run for one in happened if one.run is not None})
    named = {int(one.subject) for one in happened if one.topic is Topic.JOB}
    jobs = _jobs(session, named | set(of_runs.values()))
    devices = _devices(session, {one.subject for one in happened if one.topic is Topic.DEVICE})
    found = [_event(one, of_runs, jobs, devices) for one in happened]
    return [event for event in found if event is not None]


@dataclass(frozen=True, slots=True)
class _Job:
    """A row of a job, with names."""

    values: Mapping[str, Any]
    sight: Sight

    @property
    def shown(self) -> int | str:
        return job_ids.shown(*(self.values[name] for name in ("id", "group_id", "sub_id")))


@dataclass(frozen=True, slots=True)
class _Device:
    device_type: str
    host: str
    sight: Sight


def _event(
    one: Occurrence,
    of_runs: Mapping[int, int],
    jobs: Mapping[int, _Job],
    devices: Mapping[str, _Device],
) -> LabEvent | None:
    job = jobs.get(of_runs.get(one.run or 0, 0))
    match one.topic:
        case Topic.JOB:
            changed = jobs.get(int(one.subject))
            return LabEvent(one.at, _job_changed(one, changed), changed.sight) if changed else None
        case Topic.DEVICE:
            device = devices.get(one.subject)
            return _device_event(one, device, job) if device else None
        case Topic.HOST:
            host = HostChanged(host=one.subject, state=one.state, health=one.health)
            return LabEvent(one.at, host)
        case Topic.TEST:
            said = job and TestSaid(job=job.shown, message=one.text)
            return LabEvent(one.at, said, job.sight) if job and said else None


def _device_event(one: Occurrence, device: _Device, job: _Job | None) -> LabEvent:
    change = DeviceChanged(
        device=one.subject,
        device_type=device.device_type,
        host=device.host,
        state=one.state,
        health=one.health,
        job=job.shown if job else None,
    )
    return LabEvent(one.at, change, device.sight, job.sight if job else FREE)


def _job_changed(one: Occurrence, job: _Job) -> JobChanged:
    """Return the change as it was; times that came after it are not told."""
    row = job.values
    is_over = bool(one.health)
    shown = job.shown
    return JobChanged(
        job=row["id"],
        member=shown if isinstance(shown, str) else None,
        name=row["name"],
        submitter=row["submitter"],
        state=one.state,
        outcome=one.health or None,
        priority=row["priority"],
        is_health_check=row["is_health_check"],
        device_type=row["device_type"],
        device=row["device"],
        host=row["host"],
        submitted_at=row["submitted_at"],
        started_at=_by(row["started_at"], one.at) or (row["started_at"] if is_over else None),
        ended_at=row["ended_at"] if is_over else None,
    )


def _by(moment: datetime | None, at: datetime) -> datetime | None:
    return moment if moment is not None and moment <= at else None


def _jobs_of_runs(session: Session, runs: set[int]) -> dict[int, int]:
    if not runs:
        return {}
    rows = session.execute(select(Run.id, Run.job_id).where(Run.id.in_(runs)))
    return {row.id: row.job_id for row in rows}


def _jobs(session: Session, jobs: set[int]) -> dict[int, _Job]:
    if not jobs:
        return {}
    rows = session.execute(
        select(
            Job.id,
            Job.group_id,
            Job.sub_id,
            Job.name,
            User.name.label("submitter"),
            Job.priority,
            Job.is_health_check,
            Job.device_type,
            Device.name.label("device"),
            Job.host,
            Job.submitted_at,
            Job.started_at,
            Job.ended_at,
            Job.submitter_id,
            Audience.groups,
            Audience.owner_id,
            Audience.any_of,
        )
        .join(User, User.id == Job.submitter_id)
        .join(Audience, Audience.id == Job.audience_id)
        .outerjoin(Device, Device.id == Job.device_id)
        .where(Job.id.in_(jobs))
    )
    return {row.id: _Job(row._asdict(), Sight(_rule(row), row.submitter_id)) for row in rows}


def _devices(session: Session, names: set[str]) -> dict[str, _Device]:
    if not names:
        return {}
    rows = session.execute(
        select(
            Device.name,
            Device.device_type,
            Device.host,
            Audience.groups,
            Audience.owner_id,
            Audience.any_of,
        )
        .join(Audience, Audience.id == Device.audience_id)
        .where(Device.name.in_(names))
    )
    return {row.name: _Device(row.device_type, row.host, Sight(_rule(row))) for row in rows}


def _rule(row: Any) -> Rule:
    any_of = None if row.any_of is None else tuple(row.any_of)
    return Rule(tuple(row.groups), row.owner_id, any_of)
