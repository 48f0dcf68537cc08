"""Devices and their types: added, changed, taken in and out of use. Dictionaries are checked first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.states import DeviceHealth, DeviceState
from labq.jobdef.device import DeviceSpec, read_device, render_device
from labq.jobdef.templates import InvalidDeviceError
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.services import transitions
from labq.services.transitions import By, Work

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A board: `template` is the Jinja2 text of its dictionary, as in a device file."""

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

    A device that is not idle moves to another host only `when_idle`: as soon as it is.
    """

    template: str | None = None
    host: str | None = None
    when_idle: bool = False
    tags: tuple[str, ...] | None = None
    description: str | None = None


def add_type(session: Session, name: str, description: str = "") -> None:
    """Make a device type known; raises ConflictError when it is known."""
    _check_name(name)
    if session.get(DeviceType, name) is not None:
        raise ConflictError(f"there is a device type {name!r} already")
    session.add(DeviceType(name=name, description=description))
    session.flush()


def add(session: Session, new: NewDevice, *, templates: Sequence[Path]) -> None:
    """Make a device known, and its type if that is new, and wake the conductor.

    Raises InvalidInputError when its dictionary does not render, NotFoundError for an unknown
    host, ConflictError when the name is taken.
    """
    _check_name(new.name)
    if session.scalar(select(Device.id).where(Device.name == new.name)) is not None:
        raise ConflictError(f"there is a device {new.name!r} already")
    _check_host(session, new.host)
    spec = check(new.template, name=new.name, device_type=new.device_type, templates=templates)
    if session.get(DeviceType, new.device_type) is None:
        add_type(session, new.device_type)
    session.add(
        Device(
            name=new.name,
            device_type=new.device_type,
            host=new.host,
            template=new.template,
            description=new.description,
            tags=sorted(set(new.tags)),
            exclusive=sorted(set(spec.exclusive)),
            state=DeviceState.IDLE,
            health=new.health,
        )
    )
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def change(session: Session, name: str, wanted: DeviceChange, *, templates: Sequence[Path]) -> None:
    """Change a device; its host only while nothing runs on it, or later.

    Raises NotFoundError, ConflictError, and InvalidInputError for a dictionary that does not render.
    """
    device = _lock(session, name)
    if wanted.host is not None:
        _move(session, device, wanted.host, when_idle=wanted.when_idle)
    if wanted.template is not None:
        spec = check(
            wanted.template, name=name, device_type=device.device_type, templates=templates
        )
        device.template, device.exclusive = wanted.template, sorted(set(spec.exclusive))
    if wanted.tags is not None:
        device.tags = sorted(set(wanted.tags))
    if wanted.description is not None:
        device.description = wanted.description
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


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


def set_health(session: Session, name: str, health: DeviceHealth, by: By) -> None:
    """Change what a device is fit for; what runs on it goes on. Raises NotFoundError."""
    device = _lock(session, name)
    if device.health is health:
        device.health_reason = by.reason
    else:
        transitions.set_device_health(session, device, health, by)
    transitions.tell(session, work=[Work.PAIRING])


def check(text: str, *, name: str, device_type: str, templates: Sequence[Path]) -> DeviceSpec:
    """Return the device that a device file describes without any job's context.

    Raises InvalidInputError with all problems.
    """
    try:
        dictionary = render_device(
            text, name=name, device_type=device_type, context={}, search_path=templates
        )
    except InvalidDeviceError as error:
        raise InvalidInputError(error.problems) from error
    return read_device(dictionary, name=name, device_type=device_type)


def _lock(session: Session, name: str) -> Device:
    query = select(Device).where(Device.name == name).with_for_update(key_share=True)
    device = session.scalar(query.execution_options(populate_existing=True))
    if device is None:
        raise NotFoundError(f"there is no device {name!r}")
    return device


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInputError([Problem("name", f"{name!r} does not match {NAME.pattern}")])


def _check_host(session: Session, host: str) -> None:
    if session.get(Host, host) is None:
        raise NotFoundError(f"there is no host {host!r}")
