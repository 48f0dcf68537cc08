"""Hosts as lists and pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, false, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.states import HostHealth, HostState, RunState
from labq.hw.machine import machine_digest
from labq.models.control import Refusal
from labq.models.device import Device
from labq.models.enrolment import Enrolment
from labq.models.host import Host
from labq.models.run import Run
from labq.services import enrolment_view, host_warnings
from labq.services.device_rights import visible_devices
from labq.services.enrolment_view import EnrolmentView
from labq.services.paging import Page, decode_name, page_of
from labq.services.visibility import Viewer

REFUSED_LATELY = timedelta(days=1)
"""How long a host counts as one that sends garbage."""
_INNER = ("config", "waits", "parts", "notices")
"""What the row of a host keeps beside its load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host; `slots` says for each kind how many may be used, are used and are waited for.

    `mismatch` says why it gets no new runs, empty when it and the server understand each other.
    `preset` is in force, `config` what the server asks of it: it has taken that up when
    `config_seen` is `config_revision`. `load` is its machine as reported. `lost_after_seconds` of
    silence end its runs, None: as the server is set. `refused` counts what it sent and the server
    did not take, with the last reason. `parts` are its processes: how often each was started again,
    and why the last time.
    """

    name: str
    address: str
    description: str
    state: HostState
    health: HostHealth
    version: str
    protocol: int
    mismatch: str
    reported_at: datetime | None
    lost_after_seconds: int | None
    slots: Mapping[str, Any]
    devices: int
    open_runs: int
    is_overloaded: bool
    overload_reason: str
    preset: str
    config: Mapping[str, Any]
    config_revision: int
    config_seen: int
    timeout_scales: Mapping[str, float]
    load: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...]
    refused: int
    refused_reason: str
    refused_at: datetime | None
    warnings: tuple[str, ...]
    enrolment: EnrolmentView | None


def find_page(
    session: Session, viewer: Viewer, *, after: str | None = None, limit: int = 100
) -> Page[HostRow]:
    """Return hosts by name, with the devices on them counted that the viewer may view."""
    query = _rows(viewer).order_by(Host.name).limit(limit + 1)
    if after is not None:
        query = query.where(Host.name > decode_name(after))
    warnings = host_warnings.find_warnings(session, machine_digest())
    rows = [_row(row._asdict(), warnings) for row in session.execute(query)]
    return page_of(rows, limit, lambda host: host.name)


def find_names(session: Session) -> tuple[str, ...]:
    """Return the names of all hosts."""
    return tuple(session.scalars(select(Host.name).order_by(Host.name)))


def find(session: Session, viewer: Viewer, name: str) -> HostRow:
    """Return one host; raises NotFoundError."""
    row = session.execute(_rows(viewer).where(Host.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no host {name!r}")
    return _row(row._asdict(), host_warnings.find_warnings(session, machine_digest()))


def _row(values: dict[str, Any], warnings: Mapping[str, tuple[str, ...]]) -> HostRow:
    enrolment = enrolment_view.take(values)
    load = {key: value for key, value in values["load"].items() if key not in _INNER}
    is_refused = values.pop("is_refused")
    refused = _refused(values) if is_refused else ()
    return HostRow(
        **{**values, "load": load},
        enrolment=enrolment,
        is_overloaded=load.get("is_overloaded", False),
        overload_reason=load.get("reason", ""),
        preset=load.get("preset", ""),
        config_seen=values["load"].get("config", 0),
        parts=tuple(values["load"].get("parts", ())),
        warnings=(
            *values["load"].get("notices", ()),
            *warnings.get(values["name"], ()),
            *refused,
        ),
    )


def _refused(values: Mapping[str, Any]) -> tuple[str, ...]:
    entries, reason = values["refused"], values["refused_reason"]
    return (f"it sends garbage: {entries} entries were refused so far, the last one: {reason}",)


def _rows(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    devices = select(func.count()).where(Device.host == Host.name, visible_devices(viewer))
    runs = select(func.count()).where(Run.host == Host.name, Run.state != RunState.ENDED)
    return (
        select(
            Host.name,
            Host.address,
            Host.description,
            Host.state,
            Host.health,
            Host.version,
            Host.protocol,
            Host.mismatch,
            Host.reported_at,
            Host.lost_after_seconds,
            Host.slots,
            Host.load,
            Host.config,
            Host.config_revision,
            Host.timeout_scales,
            devices.correlate(Host).scalar_subquery().label("devices"),
            runs.correlate(Host).scalar_subquery().label("open_runs"),
            func.coalesce(Refusal.entries, 0).label("refused"),
            func.coalesce(Refusal.reason, "").label("refused_reason"),
            Refusal.at.label("refused_at"),
            func.coalesce(Refusal.at > func.now() - REFUSED_LATELY, false()).label("is_refused"),
            *enrolment_view.columns(),
        )
        .select_from(Host)
        .outerjoin(Refusal, Refusal.host == Host.name)
        .outerjoin(Enrolment, Enrolment.host == Host.name)
    )
