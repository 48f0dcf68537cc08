"""Health of the server as the database knows it: who leads, which hosts report, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.states import HostHealth, HostState
from labq.models.control import Leader, Refusal
from labq.models.host import Host
from labq.services import counts


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part: whether it is well, and the facts on one line."""

    name: str
    is_well: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is waiting and running."""

    submitted: int
    active: int
    rejected_events: int


def find_conductor(session: Session) -> PartHealth:
    """Return whether a conductor leads, by the database's clock."""
    row = session.execute(select(Leader.holder, Leader.until, func.now())).one_or_none()
    if row is None:
        return PartHealth(name="conductor", is_well=False, detail="none has ever led")
    holder, until, now = row
    left = (until - now).total_seconds()
    if left < 0:
        detail = f"none leads; {holder} led until {_ago(until, now)}"
        return PartHealth(name="conductor", is_well=False, detail=detail)
    return PartHealth(name="conductor", is_well=True, detail=f"{holder} leads")


def find_hosts(session: Session) -> tuple[PartHealth, ...]:
    """Return each host that should be at work; a silent one is not well."""
    rows = session.execute(
        select(Host.name, Host.state, Host.reported_at, func.now())
        .where(Host.health == HostHealth.ACTIVE)
        .order_by(Host.name)
    )
    return tuple(
        PartHealth(
            name=f"host {name}",
            is_well=state is HostState.ONLINE,
            detail=f"{state.value}, last report {_ago(reported_at, now)}",
        )
        for name, state, reported_at, now in rows
    )


def find_load(session: Session) -> Load:
    """Return how many jobs wait and are at work."""
    queues = counts.find_queues(session).values()
    rejected = select(func.coalesce(func.sum(Refusal.entries), 0))
    return Load(
        submitted=sum(queue.waiting for queue in queues),
        active=sum(queue.active for queue in queues),
        rejected_events=int(session.scalars(rejected).one()),
    )


def _ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{(now - moment).total_seconds():.1f} s ago"
