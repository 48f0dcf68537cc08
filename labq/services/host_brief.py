"""Hosts in few words, as LAVA's clients ask for workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.states import HostHealth, HostState
from labq.models.device import Device
from labq.models.host import Host
from labq.services.device_rights import visible_devices
from labq.services.host_files import HostFiles
from labq.services.visibility import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBrief:
    """A host with the devices on it that the viewer may view."""

    name: str
    description: str
    state: HostState
    health: HostHealth
    devices: tuple[str, ...]
    reported_at: datetime | None
    job_limit: int
    version: str
    files: HostFiles


def find_names(session: Session, *, with_retired: bool = False) -> tuple[str, ...]:
    """Return the names of hosts."""
    query = select(Host.name).order_by(Host.name)
    if not with_retired:
        query = query.where(Host.health != HostHealth.RETIRED)
    return tuple(session.scalars(query))


def find(session: Session, viewer: Viewer, name: str) -> HostBrief:
    """Return one host; raises NotFoundError."""
    host = session.get(Host, name)
    if host is None:
        raise NotFoundError(f"there is no host {name!r}")
    devices = select(Device.name).where(Device.host == name, visible_devices(viewer))
    return HostBrief(
        name=host.name,
        description=host.description,
        state=host.state,
        health=host.health,
        devices=tuple(session.scalars(devices.order_by(Device.name))),
        reported_at=host.reported_at,
        job_limit=host.job_limit,
        version=host.version,
        files=HostFiles(
            dispatcher_config=host.dispatcher_config,
            environment=host.environment,
            device_environment=host.device_environment,
        ),
    )
