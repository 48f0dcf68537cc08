"""Audiences: the distinct rules of who sees jobs, made as jobs come in, found for a viewer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, Select, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from labq.models.audience import PUBLIC, Audience, AudienceSubmitter
from labq.services.visibility import Rule, Viewer, admits


def choose(session: Session, groups: Collection[int] | None, submitter_id: int) -> int:
    """Return the audience of a new job: None is everybody, no group the submitter alone.

    It is made when it is new. Notes that this user submits for it, so that the user's lists find
    the job even if the user is in none of the groups.
    """
    if groups is None:
        return PUBLIC
    if not groups:
        return _find_or_make(session, Rule(owner_id=submitter_id))
    audience = _find_or_make(session, Rule(tuple(sorted(set(groups)))))
    note_submitter(session, submitter_id, audience)
    return audience


def of_any(session: Session, groups: frozenset[int] | None) -> int:
    """Return the audience of public jobs that members of any of these groups see; None is everybody."""
    if groups is None:
        return PUBLIC
    return _find_or_make(session, Rule(any_of=tuple(sorted(groups))))


@dataclass(frozen=True, slots=True)
class Audiences:
    """What a viewer sees: all jobs of `satisfied`, and the own ones of `foreign` ones.

    Both are sorted. An admin sees everything: `satisfied` is None.
    """

    satisfied: tuple[int, ...] | None
    foreign: tuple[int, ...] = ()


def find(session: Session, viewer: Viewer) -> Audiences:
    """Return which audiences decide what a viewer sees; one query, none for admins and strangers."""
    if viewer.is_admin:
        return Audiences(None)
    if viewer.is_anonymous:
        return Audiences((PUBLIC,))
    is_admitted = admits(viewer)
    submitted = select(AudienceSubmitter.audience_id).where(
        AudienceSubmitter.user_id == viewer.user_id
    )
    rows = session.execute(
        select(Audience.id, is_admitted.label("is_admitted"))
        .where(or_(is_admitted, Audience.id.in_(submitted)))
        .order_by(Audience.id)
    ).all()
    return Audiences(
        tuple(row.id for row in rows if row.is_admitted),
        tuple(row.id for row in rows if not row.is_admitted),
    )


def note_submitter(session: Session, user_id: int, audience_id: int) -> None:
    """Note that a user submits for an audience, unless everybody sees its jobs."""
    if audience_id == PUBLIC or session.get(AudienceSubmitter, (user_id, audience_id)) is not None:
        return
    values = {"user_id": user_id, "audience_id": audience_id}
    session.execute(insert(AudienceSubmitter).values(values).on_conflict_do_nothing())


def _find_or_make(session: Session, rule: Rule) -> int:
    """Return the one row of a rule; of those who make it at the same time one does."""
    found = session.scalar(_select(rule))
    if found is None:
        any_of = None if rule.any_of is None else list(rule.any_of)
        values = {"groups": list(rule.groups), "owner_id": rule.owner_id, "any_of": any_of}
        number = {} if any_of is None else {"id": _BELOW_PUBLIC}
        session.execute(insert(Audience).values({**values, **number}).on_conflict_do_nothing())
        found = session.scalars(_select(rule)).one()
    return found


_BELOW_PUBLIC = -func.nextval(func.pg_get_serial_sequence("audience", "id"))


def _select(rule: Rule) -> Select[int]:
    groups, any_of = (
        None if one is None else cast(list(one), ARRAY(BigInteger))
        for one in (rule.groups, rule.any_of)
    )
    return select(Audience.id).where(
        Audience.groups == groups,
        Audience.owner_id == rule.owner_id,
        Audience.any_of == any_of,
    )
