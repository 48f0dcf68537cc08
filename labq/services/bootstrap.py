"""The first rows of a server that runs on one machine: its host, virtual devices, an admin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import UnauthenticatedError
from labq.domain.states import DeviceHealth, DeviceState, HostHealth, HostState
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.services import lost_token, tokens


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A virtual device: `template` is the text of its device file."""

    name: str
    device_type: str
    template: str


@dataclass(frozen=True, slots=True)
class Admin:
    """The account of whoever runs the server, with a token that works."""

    user: str
    token: str


def prepare(session: Session, *, host: str, address: str, devices: Iterable[NewDevice]) -> None:
    """Make the host and the devices that are missing; what is there keeps its state and health.

    A virtual device's file is brought up to date: it names this machine's paths.
    """
    _add_host(session, host, address)
    for device in devices:
        _add_type(session, device.device_type)
        _add_device(session, device, host)


def find_admin(session: Session, known: Admin | None, *, now: datetime) -> Admin:
    """Return `known` when its token still works for an admin, else an admin with a new token."""
    if known is not None and _is_valid(session, known, now):
        return known
    made = lost_token.make(session, None, f"labq up {now:%Y-%m-%d %H:%M:%S.%f}", now=now)
    viewer = tokens.authenticate(session, made.secret, now)
    return Admin(viewer.name, made.secret)


def _is_valid(session: Session, known: Admin, now: datetime) -> bool:
    try:
        return tokens.authenticate(session, known.token, now).is_admin
    except UnauthenticatedError:
        return False


def _add_host(session: Session, name: str, address: str) -> None:
    values = {
        "name": name,
        "address": address,
        "state": HostState.OFFLINE,
        "health": HostHealth.ACTIVE,
    }
    session.execute(insert(Host).values(values).on_conflict_do_nothing())


def _add_type(session: Session, name: str) -> None:
    session.execute(insert(DeviceType).values({"name": name}).on_conflict_do_nothing())


def _add_device(session: Session, device: NewDevice, host: str) -> None:
    statement = insert(Device).values(
        {
            "name": device.name,
            "device_type": device.device_type,
            "host": host,
            "template": device.template,
            "description": "a virtual device of labq up",
            "state": DeviceState.IDLE,
            "health": DeviceHealth.GOOD,
        }
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Device.name],
            set_={"template": statement.excluded.template},
            where=Device.device_type == device.device_type,
        )
    )
