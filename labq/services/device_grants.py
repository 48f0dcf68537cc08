"""Rights of groups on devices and device types: given and taken back, with all that follows.

What follows stands in columns: who may view and who may submit. It is computed anew for a type and
all its devices under a lock on the type, so that changes at the same time come one after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.rights import Grant, Right, holders
from labq.models.control import Audit
from labq.models.device import Device, DeviceType
from labq.models.rights import DeviceRight, DeviceTypeRight
from labq.models.user import Group
from labq.services import audiences, transitions
from labq.services.device_rights import grants_on_type
from labq.services.transitions import By, Work


@dataclass(frozen=True, slots=True)
class GroupRight:
    """A right, and the group that has it."""

    group: str
    right: Right

    def describe(self) -> str:
        """Return it as the audit trail has it."""
        return f"{self.group} may {self.right}"


def give_on_device(session: Session, name: str, given: GroupRight, by: By) -> None:
    """Give a group a right on a device, which it may have; raises NotFoundError."""
    device = _device(session, name)
    kind = _lock_type(session, device.device_type)
    group = _group(session, given.group)
    values = {"device_id": device.id, "group_id": group, "grants": given.right}
    made = insert(DeviceRight).values(values).on_conflict_do_nothing().returning(DeviceRight.id)
    if session.scalar(made) is not None:
        _note(session, ("device", name), by, after=given.describe())
        _refresh(session, kind)


def take_from_device(session: Session, name: str, given: GroupRight, by: By) -> None:
    """Take a right on a device back; raises NotFoundError when the group does not have it."""
    device = _device(session, name)
    kind = _lock_type(session, device.device_type)
    query = delete(DeviceRight).where(
        DeviceRight.device_id == device.id,
        DeviceRight.group_id == _group(session, given.group),
        DeviceRight.grants == given.right,
    )
    if session.scalar(query.returning(DeviceRight.id)) is None:
        raise NotFoundError(f"on device {name} there is no right {given.describe()!r}")
    _note(session, ("device", name), by, before=given.describe())
    _refresh(session, kind)


def give_on_type(session: Session, name: str, given: GroupRight, by: By) -> None:
    """Give a group a right on a device type, which it may have; raises NotFoundError."""
    kind = _lock_type(session, name)
    group = _group(session, given.group)
    values = {"device_type": name, "group_id": group, "grants": given.right}
    made = insert(DeviceTypeRight).values(values).on_conflict_do_nothing()
    if session.scalar(made.returning(DeviceTypeRight.id)) is not None:
        _note(session, ("device_type", name), by, after=given.describe())
        _refresh(session, kind)


def take_from_type(session: Session, name: str, given: GroupRight, by: By) -> None:
    """Take a right on a device type back; raises NotFoundError when the group does not have it."""
    kind = _lock_type(session, name)
    query = delete(DeviceTypeRight).where(
        DeviceTypeRight.device_type == name,
        DeviceTypeRight.group_id == _group(session, given.group),
        DeviceTypeRight.grants == given.right,
    )
    if session.scalar(query.returning(DeviceTypeRight.id)) is None:
        raise NotFoundError(f"on device type {name} there is no right {given.describe()!r}")
    _note(session, ("device_type", name), by, before=given.describe())
    _refresh(session, kind)


def inherit(session: Session, device: Device) -> None:
    """Give a new device, which has no rights of its own, what follows from those on its type."""
    kind = _lock_type(session, device.device_type)
    device.audience_id = kind.audience_id
    submitters = holders(Right.SUBMIT, grants_on_type(session, kind.name))
    device.submitters = None if submitters is None else sorted(submitters)


def follow_type(session: Session, device: Device) -> None:
    """Write what follows from the rights on a device and on its type, which is another one now."""
    session.flush()
    _refresh(session, _lock_type(session, device.device_type))


def _refresh(session: Session, kind: DeviceType) -> None:
    """Write what follows from the rights on a type and its devices, and have its jobs moved."""
    on_type = grants_on_type(session, kind.name)
    on_devices = _on_devices(session, kind.name)
    kind.audience_id = audiences.of_any(session, holders(Right.VIEW, on_type))
    query = select(Device).where(Device.device_type == kind.name).order_by(Device.name)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    for device in session.scalars(locked):
        own = on_devices.get(device.id, ())
        viewers = holders(Right.VIEW, own, on_type)
        submitters = holders(Right.SUBMIT, own, on_type)
        device.audience_id = audiences.of_any(session, viewers)
        device.submitters = None if submitters is None else sorted(submitters)
    kind.rights_version += 1
    session.flush()
    due = update(DeviceType).where(DeviceType.name == kind.name).values(moves_due_at=func.now())
    session.execute(due)
    transitions.tell(session, work=[Work.PAIRING, Work.DELIVERING])


def _on_devices(session: Session, device_type: str) -> Mapping[int, Sequence[Grant]]:
    query = (
        select(DeviceRight.device_id, DeviceRight.group_id, DeviceRight.grants)
        .join(Device, Device.id == DeviceRight.device_id)
        .where(Device.device_type == device_type)
    )
    found: dict[int, list[Grant]] = defaultdict(list)
    for device, group, right in session.execute(query):
        found[device].append(Grant(group, right))
    return found


def _lock_type(session: Session, name: str) -> DeviceType:
    """Return a type, locked against submissions too: they note under which rights they came."""
    query = select(DeviceType).where(DeviceType.name == name).with_for_update()
    kind = session.scalar(query.execution_options(populate_existing=True))
    if kind is None:
        raise NotFoundError(f"there is no device type {name!r}")
    return kind


def _device(session: Session, name: str) -> Device:
    device = session.scalar(select(Device).where(Device.name == name))
    if device is None:
        raise NotFoundError(f"there is no device {name!r}")
    return device


def _group(session: Session, name: str) -> int:
    found = session.scalar(select(Group.id).where(Group.name == name))
    if found is None:
        raise NotFoundError(f"there is no group {name!r}")
    return found


def _note(
    session: Session, subject: tuple[str, str], by: By, *, before: str = "", after: str = ""
) -> None:
    kind, name = subject
    of = {"subject": kind, "subject_id": name, "reason": by.reason}
    session.add(Audit(at=by.at, actor=by.actor, before=before, after=after, **of))
