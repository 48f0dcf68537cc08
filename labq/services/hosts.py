"""Lab hosts: made known, noted as there or silent, given work or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.events import Report
from labq.domain.states import HostHealth, HostState
from labq.models.host import Host
from labq.services import transitions
from labq.services.transitions import SYSTEM, By, Work

SILENT_AFTER = timedelta(seconds=30)
"""Six reports that did not come; every second one is noted."""
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
"""What may begin the name of a queue, a stream and a Redis key without meaning anything there."""
TAKEN_NAMES = ("labq", "core", "celery", "celeryev", "default", "unacked")
"""Names that keys and queues of the server itself begin with."""


def add(session: Session, name: str, *, address: str = "127.0.0.1", description: str = "") -> None:
    """Make a host known; it counts as silent until its first report.

    Raises ConflictError when it is known, InvalidInputError for a name that no queue can have.
    """
    check_name(name)
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


def check_name(name: str) -> None:
    """Raise InvalidInputError for a name that no host can have: queues and keys begin with it."""
    if not NAME.fullmatch(name):
        text = f"{name!r} cannot name a host: it takes 1 to 63 letters, digits, `_` and `-`, and begins with a letter or digit"
        raise InvalidInputError([Problem("name", text)])
    if name.lower() in TAKEN_NAMES:
        raise InvalidInputError([Problem("name", f"{name!r} is a name of the server's own")])


def set_health(session: Session, name: str, health: HostHealth, by: By) -> None:
    """Change whether a host may be given work; what runs there goes on. Raises NotFoundError."""
    rows = transitions.lock(session, Host, [name])
    if not rows:
        raise NotFoundError(f"there is no host {name!r}")
    if rows[0].health is not health:
        transitions.set_host_health(session, rows[0], health, by)
    transitions.tell(session, work=[Work.PAIRING])


def note_report(session: Session, host: Host, report: Report, now: datetime) -> None:
    """Note on the locked row of a host what its report says of the host itself."""
    host.reported_at = session.scalar(select(func.clock_timestamp()))
    host.version = report.version
    slots: Mapping[str, object] = {name: asdict(slot) for name, slot in report.slots.items()}
    if dict(slots) != host.slots:
        host.slots = dict(slots)
    if host.state is HostState.OFFLINE:
        transitions.move_host(session, host, HostState.ONLINE, By(SYSTEM, now, "it reports"))
        transitions.tell(session, work=[Work.PAIRING])


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
