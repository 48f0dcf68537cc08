"""The queue: how many jobs wait for each device type, and those of one type in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.matching import Want
from labq.domain.states import (
    SCHEDULABLE_HEALTH,
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
)
from labq.domain.waiting import Candidate, describe_wait
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.models.job import Job
from labq.models.user import User
from labq.services import counts
from labq.services.counts import Queue
from labq.services.device_rights import visible_devices, visible_types
from labq.services.paging import LARGEST_ID, Page, decode_name, encode_key
from labq.services.visibility import Viewer, visible_jobs

LIMIT = 25
DEEPEST = 10_000
"""How far down the queue of one type is listed."""
_HIGHEST_PRIORITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """One device type: jobs that wait and that are at work, its devices, those in service, idle ones."""

    device_type: str
    waiting: int
    active: int
    devices: int
    fit: int
    idle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A waiting job: its position among all of its type, hidden ones too, and what it waits for."""

    position: int
    id: int
    name: str
    submitter: str
    priority: int
    device_type: str
    is_health_check: bool
    submitted_at: datetime
    waits_for: str


def find_backlog(session: Session, viewer: Viewer) -> tuple[Backlog, ...]:
    """Return the device types that a viewer may view, those with the most waiting jobs first.

    No job is counted for it, and of devices those that the viewer may view.
    """
    queues = counts.find_queues(session)
    rows = session.execute(_types(viewer))
    found = [_backlog(row, queues.get(row.name, Queue())) for row in rows]
    return tuple(sorted(found, key=lambda one: (-one.waiting, -one.active, one.device_type)))


def find_waiting(
    session: Session,
    viewer: Viewer,
    device_type: str,
    *,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[WaitingRow]:
    """Return the jobs that wait for a type of device and that the viewer sees, in their order.

    Those below position DEEPEST are left out. Raises NotFoundError, InvalidInputError for a bad key.
    """
    is_known = select(DeviceType.name).where(DeviceType.name == device_type, visible_types(viewer))
    if session.scalar(is_known) is None:
        raise NotFoundError(f"there is no device type {device_type!r}")
    rows = session.execute(_line(viewer, device_type, after, limit)).all()
    devices = session.execute(_devices(viewer, device_type)).all() if rows else []
    candidates = {is_check: _candidates(devices, is_check=is_check) for is_check in (False, True)}
    found = tuple(_waiting(row, candidates[row.is_health_check]) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(found)
    return Page(found, encode_key(f"{found[-1].priority}/{found[-1].id}"))


def _backlog(row: Row[*tuple[Any, ...]], queue: Queue) -> Backlog:
    return Backlog(
        device_type=row.name,
        waiting=queue.waiting,
        active=queue.active,
        devices=row.devices,
        fit=row.fit,
        idle=row.idle,
    )


def _line(
    viewer: Viewer, device_type: str, after: str | None, limit: int
) -> Select[*tuple[Any, ...]]:
    order = (Job.priority.desc(), Job.id)
    line = (
        select(Job.id, Job.priority, func.row_number().over(order_by=order).label("position"))
        .where(Job.state == JobState.SUBMITTED, Job.device_type == device_type)
        .order_by(*order)
        .limit(DEEPEST)
        .subquery()
    )
    query = (
        select(
            line.c.position,
            Job.id,
            Job.name,
            User.name.label("submitter"),
            Job.priority,
            Job.device_type,
            Job.is_health_check,
            Job.submitted_at,
            Job.tags,
            Job.wanted_device,
            Job.wanted_host,
            Job.group_id,
        )
        .join(Job, Job.id == line.c.id)
        .join(User, User.id == Job.submitter_id)
        .where(visible_jobs(viewer))
    )
    if after is not None:
        priority, job = _decode(after)
        is_later = (line.c.priority == priority) & (line.c.id > job)
        query = query.where((line.c.priority < priority) | is_later)
    # As the index has them: so the jobs of a page are looked up, and not those of all positions.
    return query.order_by(line.c.priority.desc(), line.c.id).limit(limit + 1)


def _decode(key: str) -> tuple[int, int]:
    """Return the priority and the id in a page key; raises InvalidInputError."""
    priority, _, job = decode_name(key).partition("/")
    if _is_number(priority, _HIGHEST_PRIORITY) and _is_number(job, LARGEST_ID):
        return int(priority), int(job)
    raise InvalidInputError([Problem("after", "not a page key of this list")])


def _is_number(text: str, largest: int) -> bool:
    is_short = len(text) <= len(str(largest))
    return text.isascii() and text.isdigit() and is_short and int(text) <= largest


def _waiting(row: Row[*tuple[Any, ...]], candidates: Sequence[Candidate]) -> WaitingRow:
    want = Want(
        device_type=row.device_type,
        tags=frozenset(row.tags),
        device=row.wanted_device,
        host=row.wanted_host,
    )
    waits_for = describe_wait(want, candidates)
    if row.group_id is not None:
        waits_for = f"devices for all of group {row.group_id} at once; its own: {waits_for}"
    return WaitingRow(
        position=row.position,
        id=row.id,
        name=row.name,
        submitter=row.submitter,
        priority=row.priority,
        device_type=row.device_type,
        is_health_check=row.is_health_check,
        submitted_at=row.submitted_at,
        waits_for=waits_for,
    )


def _devices(viewer: Viewer, device_type: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Device.name,
            Device.host,
            Device.tags,
            Device.state,
            Device.health,
            Host.state.label("host_state"),
            Host.health.label("host_health"),
            Host.mismatch,
        )
        .join(Host, Host.name == Device.host)
        .where(Device.device_type == device_type, visible_devices(viewer))
    )


def _candidates(devices: Iterable[Row[*tuple[Any, ...]]], *, is_check: bool) -> list[Candidate]:
    """Return devices as they are for users' jobs, or for health checks, which looping ones run too."""
    healths = (*SCHEDULABLE_HEALTH, DeviceHealth.LOOPING) if is_check else SCHEDULABLE_HEALTH
    return [
        Candidate(
            name=row.name,
            host=row.host,
            tags=frozenset(row.tags),
            obstacle=_obstacle(row) if row.health in healths else f"is {row.health}",
            is_idle=row.state == DeviceState.IDLE,
        )
        for row in devices
    ]


def _obstacle(row: Row[*tuple[Any, ...]]) -> str:
    """Return why a host's devices get no jobs, empty when they do."""
    if row.host_state != HostState.ONLINE:
        return f"is on host {row.host}, which is {row.host_state}"
    if row.host_health != HostHealth.ACTIVE:
        return f"is on host {row.host}, which is in {row.host_health}"
    return f"is on host {row.host}, which gets no new runs" if row.mismatch else ""


_IS_FIT = Device.health.in_(SCHEDULABLE_HEALTH)


def _types(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    of_type = and_(Device.device_type == DeviceType.name, visible_devices(viewer))
    return (
        select(
            DeviceType.name,
            func.count(Device.id).label("devices"),
            func.count(Device.id).filter(_IS_FIT).label("fit"),
            func.count(Device.id).filter(_IS_FIT, Device.state == DeviceState.IDLE).label("idle"),
        )
        .outerjoin(Device, of_type)
        .where(visible_types(viewer))
        .group_by(DeviceType.name)
    )
