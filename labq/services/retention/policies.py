"""Policies of retention as rows: added, changed, removed, each change with its audit row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.retention import Kind, Rule, check_days
from labq.domain.states import Outcome
from labq.models.audience import Audience
from labq.models.control import Audit
from labq.models.device import DeviceType
from labq.models.retention import RetentionPolicy, RetentionState
from labq.models.user import Group
from labq.services.retention.exclusion import hold_off_drops
from labq.services.transitions import By

STEP = 10
"""Between the positions of policies that are added one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """A policy: which jobs it fits (null: all), and for how many days each kind of data is kept.

    The first that fits a job, by position, decides alone; kinds that are not in `days` are kept.
    """

    name: str
    position: int
    group: str | None
    device_type: str | None
    outcome: Outcome | None
    days: Mapping[Kind, int]
    is_archived: bool
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What a policy is to be; a field that is None stays, a selector that is empty fits all jobs.

    A kind with 0 days is kept for ever.
    """

    position: int | None = None
    group: str | None = None
    device_type: str | None = None
    outcome: Outcome | str | None = None
    days: Mapping[Kind, int] = field(default_factory=dict)
    is_archived: bool | None = None


def find_all(session: Session) -> tuple[PolicyView, ...]:
    """Return all policies in the order in which they are tried."""
    query = select(RetentionPolicy, Group.name).outerjoin(
        Group, Group.id == RetentionPolicy.group_id
    )
    rows = session.execute(query.order_by(RetentionPolicy.position, RetentionPolicy.id))
    return tuple(_view(policy, group) for policy, group in rows)


def find(session: Session, name: str) -> PolicyView:
    """Return a policy; raises NotFoundError."""
    policy = _get(session, name)
    group = session.get(Group, policy.group_id) if policy.group_id else None
    return _view(policy, group.name if group else None)


def add(session: Session, name: str, change: PolicyChange, by: By) -> PolicyView:
    """Add a policy, the last one unless a position is given; raises ConflictError, InvalidInputError."""
    _hold(session)
    if session.scalar(select(RetentionPolicy.id).where(RetentionPolicy.name == name)):
        raise ConflictError(f"there is a retention policy {name!r} already")
    last = session.scalar(select(func.max(RetentionPolicy.position))) or 0
    policy = RetentionPolicy(name=name, position=last + STEP, is_archived=True)
    _apply(session, policy, change, by)
    session.add(policy)
    session.flush()
    return _noted(session, name, "", by)


def change(session: Session, name: str, wanted: PolicyChange, by: By) -> PolicyView:
    """Change a policy; raises NotFoundError, InvalidInputError."""
    _hold(session)
    before = _text(find(session, name))
    _apply(session, _get(session, name), wanted, by)
    session.flush()
    return _noted(session, name, before, by)


def remove(session: Session, name: str, by: By) -> None:
    """Remove a policy: what it would have removed later stays. Raises NotFoundError."""
    _hold(session)
    before = _text(find(session, name))
    session.execute(delete(RetentionPolicy).where(RetentionPolicy.name == name))
    _bump(session)
    _audit(session, name, (before, "removed"), by)


def read_revision(session: Session) -> int:
    """Return the number of the policies in force; it grows with each change."""
    return session.scalar(select(RetentionState.revision)) or 0


def load_rules(session: Session) -> tuple[Rule, ...]:
    """Return the policies in their order, as they are applied."""
    rows = session.scalars(
        select(RetentionPolicy).order_by(RetentionPolicy.position, RetentionPolicy.id)
    )
    return tuple(
        Rule(
            id=policy.id,
            name=policy.name,
            audiences=_audiences(session, policy.group_id),
            device_type=policy.device_type,
            outcome=policy.outcome,
            days=_days(policy),
            is_archived=policy.is_archived,
        )
        for policy in rows
    )


def _audiences(session: Session, group: int | None) -> frozenset[int] | None:
    if group is None:
        return None
    query = select(Audience.id).where(Audience.groups.contains([group]))
    return frozenset(session.scalars(query))


def _hold(session: Session) -> None:
    """Let changes of policies happen one after the other."""
    hold_off_drops(session)
    first = {"id": 1, "revision": 0, "due_at": datetime.now(UTC)}
    session.execute(upsert(RetentionState).values(first).on_conflict_do_nothing())
    session.execute(select(RetentionState.id).with_for_update())


def _apply(session: Session, policy: RetentionPolicy, change: PolicyChange, by: By) -> None:
    if change.position is not None:
        policy.position = change.position
    if change.group is not None:
        policy.group_id = _group(session, change.group)
    if change.device_type is not None:
        policy.device_type = _device_type(session, change.device_type)
    if change.outcome is not None:
        policy.outcome = Outcome(change.outcome) if change.outcome else None
    if change.is_archived is not None:
        policy.is_archived = change.is_archived
    for kind, days in change.days.items():
        setattr(policy, f"{kind}_days", days or None)
    check_days(_days(policy))
    policy.changed_by, policy.changed_at = by.actor, by.at


def _group(session: Session, name: str) -> int | None:
    if not name:
        return None
    found = session.scalar(select(Group.id).where(Group.name == name))
    if found is None:
        raise InvalidInputError([Problem("group", f"there is no group {name!r}")])
    return found


def _device_type(session: Session, name: str) -> str | None:
    if name and session.get(DeviceType, name) is None:
        raise InvalidInputError([Problem("device_type", f"there is no device type {name!r}")])
    return name or None


def _get(session: Session, name: str) -> RetentionPolicy:
    policy = session.scalar(select(RetentionPolicy).where(RetentionPolicy.name == name))
    if policy is None:
        raise NotFoundError(f"there is no retention policy {name!r}")
    return policy


def _noted(session: Session, name: str, before: str, by: By) -> PolicyView:
    """Make what was counted before void, and write the audit row."""
    _bump(session)
    after = find(session, name)
    _audit(session, name, (before, _text(after)), by)
    return after


def _bump(session: Session) -> None:
    """Have everything counted anew, soon."""
    session.execute(
        update(RetentionState).values(revision=RetentionState.revision + 1, due_at=func.now())
    )


def _audit(session: Session, name: str, move: tuple[str, str], by: By) -> None:
    before, after = move
    row = Audit(
        at=by.at,
        actor=by.actor,
        subject="retention policy",
        subject_id=name,
        before=before,
        after=after,
        reason=by.reason,
    )
    session.add(row)


def _days(policy: RetentionPolicy) -> dict[Kind, int]:
    ages = {kind: getattr(policy, f"{kind}_days") for kind in Kind}
    return {kind: days for kind, days in ages.items() if days is not None}


def _view(policy: RetentionPolicy, group: str | None) -> PolicyView:
    return PolicyView(
        name=policy.name,
        position=policy.position,
        group=group,
        device_type=policy.device_type,
        outcome=policy.outcome,
        days=_days(policy),
        is_archived=policy.is_archived,
        changed_by=policy.changed_by,
        changed_at=policy.changed_at,
    )


def _text(policy: PolicyView) -> str:
    """Return a policy in words, for the audit trail."""
    which = [
        f"{name}={value}"
        for name, value in (
            ("group", policy.group),
            ("type", policy.device_type),
            ("outcome", policy.outcome),
        )
        if value
    ]
    ages = [f"{kind} {days} d" for kind, days in policy.days.items()]
    kept = [] if policy.is_archived else ["not archived"]
    return (
        f"at {policy.position}, {' '.join(which) or 'all jobs'}: {', '.join(ages + kept) or 'kept'}"
    )
