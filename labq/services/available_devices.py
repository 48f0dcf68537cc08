"""Whether a job could ever run here: devices of its type that its submitter may use, busy or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session

from labq.domain.matching import FreeDevice, Want, explain
from labq.domain.states import DeviceHealth
from labq.models.device import Device, DeviceType
from labq.services.device_rights import usable_devices, visible_types
from labq.services.visibility import Viewer


def find_problem(session: Session, user: Viewer, want: Want, count: int = 1) -> str | None:
    """Return in LAVA's words why fewer than `count` devices would do, None when there are enough.

    A type that the user may not view is as one that is not there. Of somebody who is not logged in
    it is said what every user may do.
    """
    kind = want.device_type
    found = session.execute(_of_type(user, kind)).all()
    if not found:
        return f"Device type '{kind}' is unavailable."
    rows = [row for row in found if row.name is not None]
    if not rows:
        return f"No devices of type {kind} are available."
    usable = [
        FreeDevice(name=row.name, device_type=kind, host=row.host, tags=frozenset(row.tags))
        for row in rows
        if row.is_usable
    ]
    if len(usable) < count:
        few = "Not enough devices" if usable else "No devices"
        return f"{few} of type {kind} are currently available to user {user.name}"
    return _find_mismatch(want, usable, count)


def _of_type(user: Viewer, device_type: str) -> Select[*tuple[Any, ...]]:
    """Return a query for the devices in service of a type; one row of nothing where it has none."""
    of_type = and_(Device.device_type == DeviceType.name, Device.health != DeviceHealth.RETIRED)
    return (
        select(Device.name, Device.host, Device.tags, _is_usable(user).label("is_usable"))
        .select_from(DeviceType)
        .outerjoin(Device, of_type)
        .where(DeviceType.name == device_type, visible_types(user))
    )


def _is_usable(user: Viewer) -> ColumnElement[bool]:
    return Device.submitters.is_(None) if user.is_anonymous else usable_devices(user)


def find(session: Session, user: Viewer, wants: Sequence[Want]) -> list[FreeDevice]:
    """Return all devices of the types that are wanted, but retired ones and those of other users."""
    kinds = {want.device_type for want in wants}
    query = select(Device).where(
        Device.device_type.in_(kinds), Device.health != DeviceHealth.RETIRED, _is_usable(user)
    )
    return [
        FreeDevice(
            name=device.name,
            device_type=device.device_type,
            host=device.host,
            tags=frozenset(device.tags),
            exclusive=frozenset(device.exclusive),
        )
        for device in session.scalars(query)
    ]


def _find_mismatch(want: Want, usable: Sequence[FreeDevice], count: int) -> str | None:
    tagged = [device for device in usable if want.tags <= device.tags]
    if not tagged:
        of_type, tags = f"No devices of type {want.device_type}", ", ".join(sorted(want.tags))
        return f"{of_type} are available which have all of the tags '{tags}'."
    if len(tagged) < count:
        return "Not enough devices available matching the requested tags."
    return explain(want, tagged)
