"""Whether a job could ever run here: devices of its type that its submitter may use, busy or not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
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
    is_visible = select(DeviceType.name).where(DeviceType.name == kind, visible_types(user))
    if session.scalar(is_visible) is None:
        return f"Device type '{kind}' is unavailable."
    is_usable = Device.submitters.is_(None) if user.is_anonymous else usable_devices(user)
    query = select(Device.name, Device.host, Device.tags, is_usable.label("is_usable"))
    of_type = Device.device_type == kind, Device.health != DeviceHealth.RETIRED
    rows = session.execute(query.where(*of_type)).all()
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


def _find_mismatch(want: Want, usable: Sequence[FreeDevice], count: int) -> str | None:
    tagged = [device for device in usable if want.tags <= device.tags]
    if not tagged:
        of_type, tags = f"No devices of type {want.device_type}", ", ".join(sorted(want.tags))
        return f"{of_type} are available which have all of the tags '{tags}'."
    if len(tagged) < count:
        return "Not enough devices available matching the requested tags."
    return explain(want, tagged)
