"""Devices and device types in few words: what clients ask for over and over, in one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ForbiddenError, NotFoundError
from labq.domain.health_checks import Denominator
from labq.domain.states import DeviceHealth, DeviceState
from labq.models.device import Device, DeviceType
from labq.models.device_type import DeviceTypeAlias
from labq.models.job import Job
from labq.models.run import Run
from labq.services.device_rights import GrantRow, find_rights, visible_devices, visible_types
from labq.services.visibility import Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBrief:
    """A device; `job` is the one it works for, when the viewer may see it."""

    name: str
    device_type: str
    host: str
    state: DeviceState
    health: DeviceHealth
    description: str
    tags: tuple[str, ...]
    has_file: bool
    has_health_check: bool
    job: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeBrief:
    """A device type, with its further names and the devices of it that the viewer may view."""

    name: str
    description: str
    is_displayed: bool
    health_disabled: bool
    health_denominator: Denominator
    health_frequency: int
    aliases: tuple[str, ...]
    devices: tuple[str, ...]


def find(session: Session, viewer: Viewer, name: str) -> DeviceBrief:
    """Return one device.

    Raises NotFoundError for one that is not there, ForbiddenError for one that is hidden.
    """
    query = _devices(viewer).add_columns(visible_devices(viewer).label("is_seen"))
    row = session.execute(query.where(Device.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"Device '{name}' was not found.")
    if not row.is_seen:
        who = viewer.name or "AnonymousUser"
        raise ForbiddenError(f"Device '{name}' not available to user '{who}'.")
    return _device(row)


def find_all(
    session: Session,
    viewer: Viewer,
    *,
    device_type: str | None = None,
    health: DeviceHealth | None = None,
    with_retired: bool = False,
) -> list[DeviceBrief]:
    """Return the devices that a viewer may view, by name: all, of one type, of one health."""
    query = _devices(viewer).where(visible_devices(viewer)).order_by(Device.name)
    if device_type is not None:
        query = query.where(Device.device_type == device_type)
    if health is not None:
        query = query.where(Device.health == health)
    elif not with_retired:
        query = query.where(Device.health != DeviceHealth.RETIRED)
    return [_device(row) for row in session.execute(query)]


def find_type(session: Session, viewer: Viewer, name: str) -> TypeBrief:
    """Return one device type; raises NotFoundError, for a hidden one too."""
    query = select(DeviceType).where(DeviceType.name == name, visible_types(viewer))
    kind = session.scalar(query)
    if kind is None:
        raise NotFoundError(f"Device-type '{name}' was not found.")
    aliases = select(DeviceTypeAlias.name).where(DeviceTypeAlias.device_type == name)
    devices = select(Device.name).where(Device.device_type == name, visible_devices(viewer))
    return TypeBrief(
        name=kind.name,
        description=kind.description,
        is_displayed=kind.is_displayed,
        health_disabled=kind.health_disabled,
        health_denominator=kind.health_denominator,
        health_frequency=kind.health_frequency,
        aliases=tuple(session.scalars(aliases.order_by(DeviceTypeAlias.name))),
        devices=tuple(session.scalars(devices.order_by(Device.name))),
    )


def count_by_type(session: Session, viewer: Viewer) -> dict[str, int]:
    """Return how many devices there are of each type that a viewer may view."""
    query = (
        select(DeviceType.name, func.count(Device.id))
        .outerjoin(Device, Device.device_type == DeviceType.name)
        .where(visible_types(viewer))
        .group_by(DeviceType.name)
        .order_by(DeviceType.name)
    )
    return {name: count for name, count in session.execute(query)}  # noqa: C416 - a result has keys


def is_known_type(session: Session, name: str) -> bool:
    """Tell whether there is a device type of this name, whoever may view it."""
    return session.get(DeviceType, name) is not None


def grants_on(session: Session, name: str) -> Sequence[GrantRow]:
    """Return the rights of groups on a device; raises NotFoundError."""
    device = session.scalar(select(Device).where(Device.name == name))
    if device is None:
        raise NotFoundError(f"Device '{name}' was not found.")
    return find_rights(session, device)


def grants_on_type(session: Session, name: str) -> Sequence[GrantRow]:
    """Return the rights of groups on a device type; raises NotFoundError."""
    kind = session.get(DeviceType, name)
    if kind is None:
        raise NotFoundError(f"Device-type '{name}' was not found.")
    return find_rights(session, kind)


def _devices(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    job = (
        select(Job.id)
        .join(Run, Run.job_id == Job.id)
        .where(Run.id == Device.run_id, visible_jobs(viewer))
        .correlate(Device)
        .scalar_subquery()
    )
    return select(
        Device.name,
        Device.device_type,
        Device.host,
        Device.state,
        Device.health,
        Device.description,
        Device.tags,
        (Device.template != "").label("has_file"),
        DeviceType.health_check.is_not(None).label("has_health_check"),
        job.label("job"),
    ).join(DeviceType, DeviceType.name == Device.device_type)


def _device(row: Row[*tuple[Any, ...]]) -> DeviceBrief:
    return DeviceBrief(
        name=row.name,
        device_type=row.device_type,
        host=row.host,
        state=row.state,
        health=row.health,
        description=row.description,
        tags=tuple(row.tags),
        has_file=row.has_file,
        has_health_check=row.has_health_check,
        job=row.job,
    )
