"""How much each policy removes now, soon and later, from the counts of days; never from all jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import BigInteger, and_, cast, func, select
from sqlalchemy.orm import Session

from labq.domain.deadline import Deadline
from labq.domain.retention import Kind
from labq.models.retention import RetentionDay, RetentionTally
from labq.services.retention import days, policies

SOON_DAYS = 30
_AT_ONCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Jobs of which a kind of data goes, and its bytes; `next_on` is the first day it happens."""

    kind: Kind
    due_jobs: int
    due_bytes: int
    soon_jobs: int
    soon_bytes: int
    later_jobs: int
    later_bytes: int
    pinned_jobs: int
    next_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPreview:
    """What one policy removes."""

    policy: str
    amounts: tuple[Amount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What goes now (`due`), in the next SOON_DAYS days (`soon`) and after that (`later`).

    Jobs submitted after `counted_until` are not in it. `is_complete` is False while `days_left` days
    are not counted with the present policies. Bytes of files are as stored, before packing; those of
    rows are estimates. Pinned jobs stay, and are counted apart.
    """

    today: date
    counted_until: date
    is_complete: bool
    days_left: int
    policies: tuple[PolicyPreview, ...]


def refresh(session: Session, now: datetime, budget: Deadline) -> None:
    """Count days that are not counted with the present policies, until the budget is spent."""
    today = now.astimezone(UTC).date()
    revision, rules = policies.read_revision(session), policies.load_rules(session)
    while not budget.is_over():
        stale = days.find_stale(session, revision, today, _AT_ONCE)
        if not stale:
            return
        for day in stale:
            if budget.is_over():
                return
            days.store(session, days.evaluate(session, rules, day, today), revision, today)


def find(session: Session, now: datetime) -> Preview:
    """Return what is counted; see `refresh`."""
    today = now.astimezone(UTC).date()
    revision = policies.read_revision(session)
    left = days.count_stale(session, revision, today)
    amounts = _amounts(session, revision, today)
    rules = policies.load_rules(session)
    return Preview(
        today=today,
        counted_until=today - days.SETTLED,
        is_complete=left == 0,
        days_left=left,
        policies=tuple(
            PolicyPreview(policy=rule.name, amounts=tuple(amounts[rule.id])) for rule in rules
        ),
    )


def _amounts(session: Session, revision: int, today: date) -> dict[int, Sequence[Amount]]:
    tally = RetentionTally
    soon = today + timedelta(days=SOON_DAYS)
    is_due, is_soon = tally.due_on <= today, and_(tally.due_on > today, tally.due_on <= soon)
    is_later = tally.due_on > soon
    figures = [
        cast(func.coalesce(func.sum(column).filter(condition), 0), BigInteger).label(
            f"{name}_{column.key}"
        )
        for name, condition in (("due", is_due), ("soon", is_soon), ("later", is_later))
        for column in (tally.jobs, tally.bytes)
    ]
    query = (
        select(
            tally.policy_id,
            tally.kind,
            *figures,
            func.sum(tally.pinned).label("pinned_jobs"),
            func.min(tally.due_on).filter(tally.jobs > 0).label("next_on"),
        )
        .join(RetentionDay, RetentionDay.day == tally.day)
        .where(RetentionDay.revision == revision)
        .group_by(tally.policy_id, tally.kind)
    )
    found: dict[int, list[Amount]] = defaultdict(list)
    for row in session.execute(query):
        values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
        found[values.pop("policy_id")].append(Amount(**values))
    order = list(Kind)
    return defaultdict(
        list,
        {key: sorted(found[key], key=lambda one: order.index(one.kind)) for key in found},
    )
