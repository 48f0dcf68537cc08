"""Devices, their types, workers, tags and aliases, as LAVA's clients list them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from labq.domain.states import DeviceHealth
from labq.models.device import Device, DeviceType
from labq.models.device_type import DeviceTypeAlias
from labq.models.host import Host
from labq.models.job import Job
from labq.models.tag import Tag
from labq.models.user import Group, User
from labq.services.device_rights import visible_devices, visible_types
from labq.services.tables import kinds
from labq.services.tables.lookups import Column, Relation, any_of, number, text
from labq.services.tables.page import Asked, Found, Table, find, find_one
from labq.services.visibility import Viewer, visible_jobs


def _with_owners(query: Select[Any]) -> Select[Any]:
    return query.outerjoin(User, User.id == Device.physical_owner_id).outerjoin(
        Group, Group.id == Device.physical_group_id
    )


_TAG_IDS = func.array(
    select(Tag.id)
    .where(Tag.name == func.any(Device.tags))
    .order_by(Tag.id)
    .correlate(Device)
    .scalar_subquery()
)
_ALIASES = func.array(
    select(DeviceTypeAlias.name)
    .where(DeviceTypeAlias.device_type == DeviceType.name)
    .order_by(DeviceTypeAlias.name)
    .correlate(DeviceType)
    .scalar_subquery()
)
_DEVICE_ORDERS: dict[str, Column] = {
    "hostname": Device.name,
    "device_type": Device.device_type,
    "device_version": Device.device_version,
    "physical_owner": Device.physical_owner_id,
    "physical_group": Device.physical_group_id,
    "description": Device.description,
    "tags": Device.tags,
    "state": Device.state,
    "health": Device.health,
    "worker_host": Device.host,
}
DEVICE_TYPES = Table(
    model=DeviceType,
    columns=(
        DeviceType.name,
        DeviceType.architecture,
        DeviceType.processor,
        DeviceType.cpu_model,
        _ALIASES.label("aliases"),
        DeviceType.bits,
        DeviceType.cores,
        DeviceType.core_count,
        DeviceType.description,
        DeviceType.health_frequency,
        DeviceType.health_disabled,
        DeviceType.health_denominator,
        DeviceType.is_displayed,
    ),
    fields=kinds.DEVICE_TYPES,
    orders={"name": DeviceType.name, "description": DeviceType.description},
    order=("name",),
)
WORKERS = Table(
    model=Host,
    columns=(
        Host.name,
        Host.state,
        Host.health,
        Host.description,
        Host.reported_at,
        Host.job_limit,
        Host.version,
    ),
    fields=kinds.HOSTS,
    orders={
        "hostname": Host.name,
        "state": Host.state,
        "health": Host.health,
        "last_ping": Host.reported_at,
        "job_limit": Host.job_limit,
    },
    order=("hostname",),
)
TAGS = Table(
    model=Tag,
    columns=(Tag.id, Tag.name, Tag.description),
    fields=kinds.TAGS,
    orders={"id": Tag.id, "name": Tag.name, "description": Tag.description},
    order=("id",),
)
ALIASES = Table(
    model=DeviceTypeAlias,
    columns=(DeviceTypeAlias.name, DeviceTypeAlias.device_type),
    fields={
        "name": text(DeviceTypeAlias.name),
        "device_type": Relation(
            text(DeviceType.name),
            lambda keys: any_of(DeviceTypeAlias.device_type, keys),
            kinds.DEVICE_TYPES,
        ),
    },
    orders={"name": DeviceTypeAlias.name, "device_type": DeviceTypeAlias.device_type},
    order=("name",),
)


def find_devices(session: Session, viewer: Viewer, asked: Asked, *, with_retired: bool) -> Found:
    """Return a page of the devices that a viewer may know of."""
    visible = [visible_devices(viewer)]
    if not with_retired:
        visible.append(Device.health != DeviceHealth.RETIRED)
    return find(session, _devices(viewer), asked, *visible)


def find_device(session: Session, viewer: Viewer, name: str) -> Row[*tuple[Any, ...]] | None:
    """Return one device that a viewer may know of, None without it."""
    return find_one(session, _devices(viewer), Device.name == name, visible_devices(viewer))


def find_types(session: Session, viewer: Viewer, asked: Asked) -> Found:
    """Return a page of the device types that a viewer may know of."""
    return find(session, DEVICE_TYPES, asked, visible_types(viewer))


def find_type(session: Session, viewer: Viewer, name: str) -> Row[*tuple[Any, ...]] | None:
    """Return one device type that a viewer may know of, None without it."""
    return find_one(session, DEVICE_TYPES, DeviceType.name == name, visible_types(viewer))


def find_aliases(session: Session, viewer: Viewer, asked: Asked) -> Found:
    """Return a page of the aliases of device types that a viewer may know of."""
    return find(session, ALIASES, asked, _is_alias_seen(viewer))


def find_alias(session: Session, viewer: Viewer, name: str) -> Row[*tuple[Any, ...]] | None:
    """Return one alias of a device type that a viewer may know of, None without it."""
    return find_one(session, ALIASES, DeviceTypeAlias.name == name, _is_alias_seen(viewer))


def _is_alias_seen(viewer: Viewer) -> ColumnElement[bool]:
    seen = select(DeviceType.name).where(visible_types(viewer))
    return DeviceTypeAlias.device_type.in_(seen)


def _devices(viewer: Viewer) -> Table:
    """Return the list of devices; each names its last health check if the viewer sees that job."""
    checked = (
        select(Job.id)
        .where(Job.id == Device.health_job_id, visible_jobs(viewer))
        .correlate(Device)
        .scalar_subquery()
    )
    return Table(
        model=Device,
        columns=(
            Device.name,
            Device.device_type,
            Device.device_version,
            User.id.label("owner"),
            Group.id.label("owners"),
            Device.description,
            _TAG_IDS.label("tags"),
            Device.state,
            Device.health,
            checked.label("last_check"),
            Device.host,
        ),
        fields={**kinds.DEVICES, "last_health_report_job": number(checked)},
        orders=_DEVICE_ORDERS,
        order=("hostname",),
        join=_with_owners,
    )
