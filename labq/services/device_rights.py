"""Who may view, submit to and change a device or a device type: questions alone.

`services/device_grants.py` changes the rights. What lists and the scheduler ask for stands in columns
of the devices, which follow from the rights.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, and_, cast, false, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from labq.domain.errors import ForbiddenError, NotFoundError
from labq.domain.rights import Grant, Right, holders
from labq.domain.states import DeviceHealth
from labq.models.device import Device, DeviceType
from labq.models.job import Job
from labq.models.rights import DeviceRight, DeviceTypeRight
from labq.models.user import Group
from labq.services.visibility import Viewer, in_audience


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """A right of a group on a device or a device type."""

    id: int
    group: str
    right: Right


def visible_devices(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Device` that holds for those a viewer may view."""
    return in_audience(viewer, Device.audience_id)


def visible_types(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `DeviceType` that holds for those a viewer may view."""
    return in_audience(viewer, DeviceType.audience_id)


def usable_devices(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Device` that holds for those a viewer may submit jobs to."""
    if viewer.is_anonymous:
        return false()
    is_in_service = Device.health != DeviceHealth.RETIRED
    if viewer.is_admin:
        return is_in_service
    mine = cast(list(viewer.groups), ARRAY(BigInteger))
    return and_(is_in_service, or_(Device.submitters.is_(None), Device.submitters.overlap(mine)))


def may_view(session: Session, viewer: Viewer, of: Device | DeviceType) -> bool:
    """Tell whether a viewer may know of a device or type: everybody where no group was named."""
    return _may(session, viewer, Right.VIEW, of)


def may_submit(session: Session, viewer: Viewer, of: Device | DeviceType) -> bool:
    """Tell whether a viewer may submit jobs to it: all users where no group was named.

    Nobody may submit to a retired device.
    """
    if viewer.is_anonymous or (isinstance(of, Device) and of.health is DeviceHealth.RETIRED):
        return False
    return _may(session, viewer, Right.SUBMIT, of)


def may_change(session: Session, viewer: Viewer, of: Device | DeviceType) -> bool:
    """Tell whether a viewer may change it, and others' jobs on it: admins and who was given it."""
    return _may(session, viewer, Right.CHANGE, of)


def require_device(session: Session, viewer: Viewer, name: str, right: Right) -> Device:
    """Return a device; raises NotFoundError for a hidden one too, ForbiddenError without the right."""
    query = select(Device).where(Device.name == name, visible_devices(viewer))
    device = session.scalar(query)
    if device is None:
        raise NotFoundError(f"there is no device {name!r}")
    if not _may(session, viewer, right, device):
        raise ForbiddenError(f"you have no right to {right} device {name}")
    return device


def require_type(session: Session, viewer: Viewer, name: str, right: Right) -> DeviceType:
    """Return a device type; raises as `require_device` does."""
    query = select(DeviceType).where(DeviceType.name == name, visible_types(viewer))
    kind = session.scalar(query)
    if kind is None:
        raise NotFoundError(f"there is no device type {name!r}")
    if not _may(session, viewer, right, kind):
        raise ForbiddenError(f"you have no right to {right} device type {name}")
    return kind


def find_rights(session: Session, of: Device | DeviceType) -> tuple[GrantRow, ...]:
    """Return the rights that groups were given on a device or type itself, by group."""
    rights = DeviceRight if isinstance(of, Device) else DeviceTypeRight
    query = select(rights.id, Group.name.label("group"), rights.grants.label("right"))
    query = query.join(Group, Group.id == rights.group_id)
    if isinstance(of, Device):
        query = query.where(DeviceRight.device_id == of.id)
    else:
        query = query.where(DeviceTypeRight.device_type == of.name)
    rows = session.execute(query.order_by(Group.name, rights.id))
    return tuple(GrantRow(**row._asdict()) for row in rows)


def _may(session: Session, viewer: Viewer, right: Right, of: Device | DeviceType) -> bool:
    if viewer.is_admin:
        return True
    groups = holders(right, *_grants(session, of))
    return groups is None or not groups.isdisjoint(viewer.groups)


def _grants(session: Session, of: Device | DeviceType) -> tuple[list[Grant], list[Grant]]:
    """Return the rights on it, and for a device those on its type."""
    if isinstance(of, DeviceType):
        return grants_on_type(session, of.name), []
    own = select(DeviceRight.group_id, DeviceRight.grants).where(DeviceRight.device_id == of.id)
    on_device = [Grant(group, right) for group, right in session.execute(own)]
    return on_device, grants_on_type(session, of.device_type)


def grants_on_type(session: Session, device_type: str) -> list[Grant]:
    """Return the rights on a device type."""
    query = select(DeviceTypeRight.group_id, DeviceTypeRight.grants)
    rows = session.execute(query.where(DeviceTypeRight.device_type == device_type))
    return [Grant(group, right) for group, right in rows]


def find_changeable_jobs(session: Session, viewer: Viewer, jobs: Collection[int]) -> set[int]:
    """Return those of the jobs whose device, or type while they have none, a user may change."""
    if not jobs or not viewer.groups:
        return set()
    on_device = select(DeviceRight.id).where(
        DeviceRight.device_id == Job.device_id, DeviceRight.grants == Right.CHANGE
    )
    on_type = select(DeviceTypeRight.id).where(
        DeviceTypeRight.device_type == Job.device_type,
        DeviceTypeRight.grants == Right.CHANGE,
        DeviceTypeRight.group_id.in_(viewer.groups),
    )
    mine = on_device.where(DeviceRight.group_id.in_(viewer.groups))
    may = or_(mine.exists(), and_(~on_device.exists(), on_type.exists()))
    return set(session.scalars(select(Job.id).where(Job.id.in_(jobs), may)))
