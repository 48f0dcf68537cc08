"""Devices and their types: added, changed, taken in and out of use. Dictionaries are checked first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.states import DeviceHealth, DeviceState
from labq.jobdef.device import DeviceSpec, read_device, render_device
from labq.jobdef.templates import InvalidDeviceError, Library
from labq.models.control import Audit
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.models.run import Run
from labq.services import device_grants, device_templates, tags, transitions
from labq.services.board_facts import BoardFacts
from labq.services.device_templates import Templates
from labq.services.transitions import By, Work

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._+-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A board: `template` is the Jinja2 text of its dictionary, as in a device file.

    Without one (empty) the device is known, and no job can run on it.
    """

    name: str
    device_type: str
    host: str
    template: str
    tags: tuple[str, ...] = ()
    description: str = ""
    health: DeviceHealth = DeviceHealth.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """What to change of a device; None leaves as it is.

    Its type changes only while nothing runs on it. A device that is not idle moves to another host only `when_idle`: as soon as it is.
    """

    template: str | None = None
    device_type: str | None = None
    host: str | None = None
    when_idle: bool = False
    tags: tuple[str, ...] | None = None
    description: str | None = None
    facts: BoardFacts | None = None


def add_type(session: Session, name: str, description: str = "") -> None:
    """Make a device type known; raises ConflictError when it is known."""
    check_name(name)
    if session.get(DeviceType, name) is not None:
        raise ConflictError(f"there is a device type {name!r} already")
    session.add(DeviceType(name=name, description=description))
    session.flush()


def add(session: Session, new: NewDevice, *, templates: Templates) -> None:
    """Make a device known, and its type if that is new, and wake the conductor.

    Raises InvalidInputError when it has a dictionary that does not render, NotFoundError for an
    unknown host, ConflictError when the name is taken.
    """
    check_name(new.name)
    if session.scalar(select(Device.id).where(Device.name == new.name)) is not None:
        raise ConflictError(f"there is a device {new.name!r} already")
    _check_host(session, new.host)
    exclusive: tuple[str, ...] = ()
    if new.template.strip():
        library = device_templates.library(session, templates)
        spec = check(new.template, name=new.name, device_type=new.device_type, library=library)
        exclusive = spec.exclusive
    if session.get(DeviceType, new.device_type) is None:
        add_type(session, new.device_type)
    device = Device(
        name=new.name,
        device_type=new.device_type,
        host=new.host,
        template=new.template,
        description=new.description,
        tags=sorted(set(new.tags)),
        exclusive=sorted(set(exclusive)),
        state=DeviceState.IDLE,
        health=new.health,
    )
    device_grants.inherit(session, device)
    tags.ensure(session, device.tags)
    session.add(device)
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def change(session: Session, name: str, wanted: DeviceChange, *, templates: Templates) -> None:
    """Change a device; its host only while nothing runs on it, or later.

    Raises NotFoundError, ConflictError, and InvalidInputError for a dictionary that does not render.
    """
    device = lock(session, name)
    if wanted.host is not None:
        _move(session, device, wanted.host, when_idle=wanted.when_idle)
    if wanted.device_type is not None:
        _retype(session, device, wanted.device_type)
    if wanted.template is not None:
        library = device_templates.library(session, templates)
        spec = check(wanted.template, name=name, device_type=device.device_type, library=library)
        device.template, device.exclusive = wanted.template, sorted(set(spec.exclusive))
    if wanted.tags is not None:
        device.tags = sorted(set(wanted.tags))
        tags.ensure(session, device.tags)
    if wanted.description is not None:
        device.description = wanted.description
    if wanted.facts is not None:
        wanted.facts.note(session, device)
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def _retype(session: Session, device: Device, device_type: str) -> None:
    if session.get(DeviceType, device_type) is None:
        raise NotFoundError(f"there is no device type {device_type!r}")
    if device.device_type != device_type and device.state is not DeviceState.IDLE:
        raise ConflictError(
            f"device {device.name} is {device.state}: it cannot change its device type now; wait "
            "for the end of its run"
        )
    device.device_type = device_type
    device_grants.follow_type(session, device)


def _move(session: Session, device: Device, host: str, *, when_idle: bool) -> None:
    """Hang a device on another host; naming the one it has takes back a move that waits."""
    if host == device.host:
        device.next_host = None
        return
    _check_host(session, host)
    if device.state is DeviceState.IDLE:
        device.host, device.next_host = host, None
    elif when_idle:
        device.next_host = host
    else:
        raise ConflictError(
            f"device {device.name} is {device.state} on host {device.host}: it cannot change its host "
            "now; wait for the end of its run, or ask for the move once it is idle (`when_idle`)"
        )


def remove(session: Session, name: str, by: By) -> None:
    """Forget a device that no job ever ran on; raises NotFoundError, ConflictError."""
    device = lock(session, name)
    if session.scalar(select(Run.id).where(Run.device_id == device.id).limit(1)) is not None:
        raise ConflictError(f"jobs ran on device {name}: retire it in place of it")
    session.delete(device)
    session.add(
        Audit(
            at=by.at,
            actor=by.actor,
            subject="device",
            subject_id=name,
            before="known",
            after="removed",
            reason=by.reason,
        )
    )
    session.flush()


def set_health(session: Session, name: str, health: DeviceHealth, by: By) -> None:
    """Change what a device is fit for; what runs on it goes on. Raises NotFoundError."""
    device = lock(session, name)
    if device.health is health:
        device.health_reason = by.reason
    else:
        transitions.set_device_health(session, device, health, by)
    transitions.tell(session, work=[Work.PAIRING])


def check(text: str, *, name: str, device_type: str, library: Library) -> DeviceSpec:
    """Return the device that a device file describes without any job's context.

    Raises InvalidInputError with all problems.
    """
    try:
        dictionary = render_device(
            text, name=name, device_type=device_type, context={}, library=library
        )
        return read_device(dictionary, name=name, device_type=device_type)
    except InvalidDeviceError as error:
        raise InvalidInputError(error.problems) from error


def lock(session: Session, name: str) -> Device:
    """Return the locked row of a device; raises NotFoundError."""
    query = select(Device).where(Device.name == name).with_for_update(key_share=True)
    device = session.scalar(query.execution_options(populate_existing=True))
    if device is None:
        raise NotFoundError(f"there is no device {name!r}")
    return device


def check_name(name: str) -> None:
    """Raise InvalidInputError for a name that no device and no device type can have."""
    if not NAME.fullmatch(name):
        raise InvalidInputError([Problem("name", f"{name!r} does not match {NAME.pattern}")])


def _check_host(session: Session, host: str) -> None:
    if session.get(Host, host) is None:
        raise NotFoundError(f"there is no host {host!r}")
