"""Lab hosts: made known, noted as there or silent, given work or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from labq.domain import protocol
from labq.domain.errors import ConflictError, NotFoundError
from labq.domain.events import Report
from labq.domain.names import check_host_name
from labq.domain.states import DeviceHealth, HostHealth, HostState
from labq.models.device import Device
from labq.models.host import Host
from labq.models.run import Run
from labq.services import host_load, transitions
from labq.services.transitions import SYSTEM, By, Work

MOST_PROTOCOL = 1_000_000
SILENT_AFTER = timedelta(seconds=30)
"""Six reports that did not come; every second one is noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """What to change of a host; None leaves as it is.

    `job_limit`: how many of its devices may be busy at once, 0 for all.
    """

    description: str | None = None
    job_limit: int | None = None


def add(session: Session, name: str, *, address: str = "127.0.0.1", description: str = "") -> None:
    """Make a host known; it counts as silent until its first report.

    Raises ConflictError when it is known, InvalidInputError for a name that no queue can have.
    """
    check_host_name(name)
    if session.get(Host, name) is not None:
        raise ConflictError(f"there is a host {name!r} already")
    session.add(
        Host(
            name=name,
            address=address,
            description=description,
            state=HostState.OFFLINE,
            health=HostHealth.ACTIVE,
        )
    )
    session.flush()


def change(session: Session, name: str, wanted: HostChange) -> None:
    """Change what is kept of a host, and wake the conductor; raises NotFoundError."""
    rows = transitions.lock(session, Host, [name])
    if not rows:
        raise NotFoundError(f"there is no host {name!r}")
    if wanted.description is not None:
        rows[0].description = wanted.description
    if wanted.job_limit is not None:
        rows[0].job_limit = wanted.job_limit
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def remove(session: Session, name: str) -> None:
    """Forget a host.

    Raises NotFoundError, and ConflictError for one that devices hang on or jobs ran on.
    """
    if not transitions.lock(session, Host, [name]):
        raise NotFoundError(f"there is no host {name!r}")
    hanging = select(Device.id).where(or_(Device.host == name, Device.next_host == name))
    if session.scalar(hanging.limit(1)) is not None:
        raise ConflictError(f"devices hang on host {name}: move them first, or retire it")
    if session.scalar(select(Run.id).where(Run.host == name).limit(1)) is not None:
        raise ConflictError(f"jobs ran on host {name}: retire it in place of it")
    session.execute(delete(Host).where(Host.name == name))


def set_health(session: Session, name: str, health: HostHealth, by: By) -> None:
    """Change whether a host may be given work; what runs there goes on. Raises NotFoundError.

    Devices of a host that is taken into use again are no longer known to be good; those of one that
    is retired are retired with it, but for bad ones.
    """
    rows = transitions.lock(session, Host, [name])
    if not rows:
        raise NotFoundError(f"there is no host {name!r}")
    if rows[0].health is not health:
        transitions.set_host_health(session, rows[0], health, by)
        if health is HostHealth.ACTIVE:
            _doubt_devices(session, name, by)
        if health is HostHealth.RETIRED:
            _retire_devices(session, name, by)
    transitions.tell(session, work=[Work.PAIRING])


def _doubt_devices(session: Session, host: str, by: By) -> None:
    doubt = By(by.actor, by.at, f"host {host} was taken into use again")
    query = select(Device).where(Device.host == host, Device.health == DeviceHealth.GOOD)
    for device in session.scalars(query.order_by(Device.id).with_for_update(key_share=True)):
        transitions.set_device_health(session, device, DeviceHealth.UNKNOWN, doubt)


def _retire_devices(session: Session, host: str, by: By) -> None:
    retired = By(by.actor, by.at, f"host {host} was retired")
    kept = (DeviceHealth.BAD, DeviceHealth.RETIRED)
    query = select(Device).where(Device.host == host, Device.health.not_in(kept))
    for device in session.scalars(query.order_by(Device.id).with_for_update(key_share=True)):
        transitions.set_device_health(session, device, DeviceHealth.RETIRED, retired)


def set_lost_after(session: Session, name: str, seconds: int) -> None:
    """Set after how much silence the runs of a host end, 0 as the server is set."""
    rows = transitions.lock(session, Host, [name])
    if not rows:
        raise NotFoundError(f"there is no host {name!r}")
    rows[0].lost_after_seconds = seconds or None
    session.flush()


def note_report(session: Session, host: Host, report: Report, now: datetime) -> None:
    """Note on the locked row of a host what its report says of the host itself."""
    host.reported_at = session.scalar(select(func.clock_timestamp()))
    host.version = report.version
    _note_fit(session, host, report)
    host_load.note(host, report, now)
    if host.state is HostState.OFFLINE:
        transitions.move_host(session, host, HostState.ONLINE, By(SYSTEM, now, "it reports"))
        transitions.tell(session, work=[Work.PAIRING])


def _note_fit(session: Session, host: Host, report: Report) -> None:
    """Note whether host and server fit each other: without it the host gets no new runs."""
    before = host.mismatch
    host.protocol = min(max(report.protocol, 0), MOST_PROTOCOL)
    spoken = protocol.mismatch(host.protocol, report.oldest_protocol, who=f"host {host.name}")
    drained = f"it is drained: {report.drained}" if report.drained else ""
    host.mismatch = spoken or _find_loss(host, report) or drained
    if before and not host.mismatch:
        transitions.tell(session, work=[Work.PAIRING])


def _find_loss(host: Host, report: Report) -> str:
    """Return what tells that this database was set back to an earlier state, empty without that."""
    if report.confirmed <= host.sequence:
        return ""
    return (
        f"host {host.name} was told that its events up to {report.confirmed} are stored, and the "
        f"database has them up to {host.sequence}: it was set back; "
        "docs/how-to/production.md, Backups, says what to do"
    )


def note_silent(session: Session, now: datetime) -> None:
    """Note which hosts are no longer heard of; they are given no work, their runs go on."""
    query = (
        select(Host)
        .where(
            Host.state == HostState.ONLINE, Host.reported_at < func.clock_timestamp() - SILENT_AFTER
        )
        .with_for_update(key_share=True, skip_locked=True)
    )
    for host in session.scalars(query):
        by = By(SYSTEM, now, f"no report since {host.reported_at}")
        transitions.move_host(session, host, HostState.OFFLINE, by)
