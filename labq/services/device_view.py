"""Devices and device types as lists and pages show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.health_checks import Denominator, describe_next
from labq.domain.states import SCHEDULABLE_HEALTH, DeviceHealth, DeviceState
from labq.models.control import Audit
from labq.models.device import Device, DeviceType
from labq.models.device_type import DeviceTypeAlias
from labq.models.job import Job
from labq.models.rollup import CountDelta, QueueLength
from labq.models.run import IS_AWAITED, Run
from labq.services.device_rights import visible_devices, visible_types
from labq.services.health_checks import history
from labq.services.job_list import JobFilter, JobRow
from labq.services.job_list import find_page as find_jobs
from labq.services.paging import Page, decode_name, page_of
from labq.services.visibility import Viewer, visible_jobs

_RECENT_JOBS = 20
_RECENT_CHANGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFilter:
    """Which devices; None asks nothing."""

    device_type: str | None = None
    host: str | None = None
    state: DeviceState | None = None
    health: DeviceHealth | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device in a list; `job` is the one it works for, when the viewer may see it.

    `held` says for what a device waits whose run was given up, empty for nothing. `next_host` is
    where it moves to once it is idle.
    """

    name: str
    device_type: str
    host: str
    next_host: str | None
    state: DeviceState
    health: DeviceHealth
    health_reason: str
    description: str
    tags: tuple[str, ...]
    exclusive: tuple[str, ...]
    job: int | None
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the audit trail."""

    at: datetime
    actor: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """A device's health checks: the last one's job, when it was submitted, when the next is due."""

    job: int | None
    submitted_at: datetime | None
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device with its template, latest jobs and changes; `check` is None without health checks."""

    device: DeviceRow
    template: str
    jobs: tuple[JobRow, ...]
    changes: tuple[Change, ...]
    check: CheckView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTypeRow:
    """A device type with its devices counted: all, fit for jobs, idle and fit; and jobs waiting.

    `aliases` are further names under which jobs may ask for it. `has_health_check`: its devices are proven by a job every `health_frequency` hours or jobs.
    """

    name: str
    description: str
    aliases: tuple[str, ...]
    devices: int
    fit: int
    idle: int
    waiting_jobs: int
    has_health_check: bool
    health_frequency: int
    health_denominator: Denominator
    health_disabled: bool


def find_page(
    session: Session,
    viewer: Viewer,
    wanted: DeviceFilter,
    *,
    after: str | None = None,
    limit: int = 100,
) -> Page[DeviceRow]:
    """Return devices by name."""
    query = _rows(viewer).where(*_conditions(wanted)).order_by(Device.name).limit(limit + 1)
    if after is not None:
        query = query.where(Device.name > decode_name(after))
    rows = [_row(row._asdict()) for row in session.execute(query)]
    return page_of(rows, limit, lambda device: device.name)


def find(session: Session, viewer: Viewer, name: str, *, now: datetime) -> DeviceView:
    """Return one device; raises NotFoundError."""
    row = session.execute(
        _rows(viewer).add_columns(Device.template).where(Device.name == name)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no device {name!r}")
    values = row._asdict()
    template = values.pop("template")
    jobs = find_jobs(session, viewer, JobFilter(device=name), limit=_RECENT_JOBS, window=None)
    return DeviceView(
        device=_row(values),
        template=template,
        jobs=jobs.items,
        changes=_changes(session, name),
        check=_check(session, name, now),
    )


def find_types(
    session: Session, viewer: Viewer, *, after: str | None = None, limit: int = 100
) -> Page[DeviceTypeRow]:
    """Return device types by name, with those of their devices that the viewer may view."""
    query = _types(viewer).order_by(DeviceType.name).limit(limit + 1)
    if after is not None:
        query = query.where(DeviceType.name > decode_name(after))
    rows = [_type_row(row._asdict()) for row in session.execute(query)]
    return page_of(rows, limit, lambda kind: kind.name)


def find_type(session: Session, viewer: Viewer, name: str) -> DeviceTypeRow:
    """Return one device type; raises NotFoundError."""
    row = session.execute(_types(viewer).where(DeviceType.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no device type {name!r}")
    return _type_row(row._asdict())


def _rows(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    job = (
        select(Job.id)
        .join(Run, Run.job_id == Job.id)
        .where(Run.id == Device.run_id, visible_jobs(viewer))
        .correlate(Device)
        .scalar_subquery()
    )
    held = (
        select(func.concat("waits for host ", Run.host, " to report run ", Run.id, " torn down"))
        .where(Run.id == Device.run_id, IS_AWAITED)
        .correlate(Device)
        .scalar_subquery()
    )
    return select(
        Device.name,
        Device.device_type,
        Device.host,
        Device.next_host,
        Device.state,
        Device.health,
        Device.health_reason,
        Device.description,
        Device.tags,
        Device.exclusive,
        job.label("job"),
        func.coalesce(held, "").label("held"),
    ).where(visible_devices(viewer))


def _row(values: dict[str, Any]) -> DeviceRow:
    lists = {"tags": tuple(values["tags"]), "exclusive": tuple(values["exclusive"])}
    return DeviceRow(**{**values, **lists})


def _type_row(values: dict[str, Any]) -> DeviceTypeRow:
    return DeviceTypeRow(**{**values, "aliases": tuple(values["aliases"])})


def _check(session: Session, name: str, now: datetime) -> CheckView | None:
    query = select(Device, DeviceType).join(DeviceType, DeviceType.name == Device.device_type)
    device, kind = session.execute(query.where(Device.name == name)).one()
    if kind.health_check is None:
        return None
    is_next = not kind.health_disabled
    return CheckView(
        job=device.health_job_id,
        submitted_at=device.health_checked_at,
        next=describe_next(kind.check_rule, history(device), now) if is_next else "never: disabled",
    )


def _conditions(wanted: DeviceFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.device_type is not None:
        yield Device.device_type == wanted.device_type
    if wanted.host is not None:
        yield Device.host == wanted.host
    if wanted.state is not None:
        yield Device.state == wanted.state
    if wanted.health is not None:
        yield Device.health == wanted.health
    if wanted.tag is not None:
        yield Device.tags.contains([wanted.tag])


def _changes(session: Session, name: str) -> tuple[Change, ...]:
    healths = [health.value for health in DeviceHealth]
    rows = session.execute(
        select(Audit.at, Audit.actor, Audit.before, Audit.after, Audit.reason)
        .where(Audit.subject == "device", Audit.subject_id == name, Audit.after.in_(healths))
        .order_by(Audit.id.desc())
        .limit(_RECENT_CHANGES)
    )
    return tuple(Change(**row._asdict()) for row in rows)


def _types(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    is_fit = Device.health.in_(SCHEDULABLE_HEALTH)
    devices = select(func.count()).where(Device.device_type == DeviceType.name)
    devices = devices.where(visible_devices(viewer))
    idle = devices.where(is_fit, Device.state == DeviceState.IDLE)
    aliases = select(DeviceTypeAlias.name).where(DeviceTypeAlias.device_type == DeviceType.name)
    return select(
        DeviceType.name,
        DeviceType.description,
        func.array(
            aliases.order_by(DeviceTypeAlias.name).correlate(DeviceType).scalar_subquery()
        ).label("aliases"),
        devices.correlate(DeviceType).scalar_subquery().label("devices"),
        devices.where(is_fit).correlate(DeviceType).scalar_subquery().label("fit"),
        idle.correlate(DeviceType).scalar_subquery().label("idle"),
        (_waiting(QueueLength) + _waiting(CountDelta)).label("waiting_jobs"),
        DeviceType.health_check.is_not(None).label("has_health_check"),
        DeviceType.health_frequency,
        DeviceType.health_denominator,
        DeviceType.health_disabled,
    ).where(visible_types(viewer))


def _waiting(table: type[QueueLength] | type[CountDelta]) -> ColumnElement[int]:
    """Return how many jobs of a type wait, by what is counted and by what is not folded yet."""
    total = func.coalesce(func.sum(table.waiting), 0)
    found = select(cast(total, BigInteger)).where(table.device_type == DeviceType.name)
    return found.correlate(DeviceType).scalar_subquery()
