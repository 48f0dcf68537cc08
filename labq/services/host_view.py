"""Hosts as lists and pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.states import HostHealth, HostState, RunState
from labq.models.device import Device
from labq.models.host import Host
from labq.models.run import Run
from labq.services.paging import Page, decode_name, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host; `slots` says for each kind how many may be used, are used and are waited for."""

    name: str
    address: str
    description: str
    state: HostState
    health: HostHealth
    version: str
    reported_at: datetime | None
    slots: Mapping[str, Any]
    devices: int
    open_runs: int


def find_page(session: Session, *, after: str | None = None, limit: int = 100) -> Page[HostRow]:
    """Return hosts by name."""
    query = _rows().order_by(Host.name).limit(limit + 1)
    if after is not None:
        query = query.where(Host.name > decode_name(after))
    rows = [HostRow(**row._asdict()) for row in session.execute(query)]
    return page_of(rows, limit, lambda host: host.name)


def find(session: Session, name: str) -> HostRow:
    """Return one host; raises NotFoundError."""
    row = session.execute(_rows().where(Host.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no host {name!r}")
    return HostRow(**row._asdict())


def _rows() -> Select[*tuple[Any, ...]]:
    devices = select(func.count()).where(Device.host == Host.name).correlate(Host)
    runs = select(func.count()).where(Run.host == Host.name, Run.state != RunState.ENDED)
    return select(
        Host.name,
        Host.address,
        Host.description,
        Host.state,
        Host.health,
        Host.version,
        Host.reported_at,
        Host.slots,
        devices.scalar_subquery().label("devices"),
        runs.correlate(Host).scalar_subquery().label("open_runs"),
    )
