"""What is unwise about a host, from its last report and its devices: said, never enforced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from labq.domain.states import HostState
from labq.models.device import Device
from labq.models.host import Host


def find_warnings(session: Session, server: str) -> dict[str, tuple[str, ...]]:
    """Return the warnings of each host that has reported its load; `server` names this machine."""
    rows = session.execute(select(Host.name, Host.state, Host.load).order_by(Host.name)).all()
    machines = [row.load.get("machine") for row in rows if row.state is HostState.ONLINE]
    is_alone = bool(machines) and set(machines) == {server}
    fastboot = _fastboot_devices(session)
    return {
        row.name: tuple(_warnings(row.load, fastboot.get(row.name, 0), is_alone=is_alone))
        for row in rows
        if "cores" in row.load
    }


def _warnings(load: Mapping[str, Any], fastboot: int, *, is_alone: bool) -> Iterator[str]:
    cores = load["cores"]
    if load["is_virtual"] and fastboot > cores:
        yield (
            f"a virtual machine with {_count(cores, 'core')} has {fastboot} fastboot devices: "
            f"no more than {cores} are flashed at once; give it a core for each"
        )
    if load["cpu"] is None:
        yield (
            "its kernel tells no pressure figures (PSI), so limits follow the load alone: "
            "boot it with psi=1"
        )
    if is_alone:
        yield "the server and all hosts share one machine: work on devices slows the server down"


def _fastboot_devices(session: Session) -> dict[str, int]:
    """Count the devices of each host whose file or type speaks of fastboot."""
    texts: Sequence[Any] = (Device.template, Device.device_type)
    query = (
        select(Device.host, func.count())
        .where(or_(*(text.ilike("%fastboot%") for text in texts)))
        .group_by(Device.host)
    )
    return {host: count for host, count in session.execute(query)}  # noqa: C416 - rows are typed so


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
