"""Who looks, and which jobs that viewer sees: one condition for every query over jobs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, and_, cast, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from labq.models.audience import PUBLIC, Audience
from labq.models.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Whoever makes a request; `user_id` is None for an anonymous one."""

    user_id: int | None = None
    name: str = ""
    is_admin: bool = False
    groups: tuple[int, ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Tell whether nobody is logged in."""
        return self.user_id is None


ANONYMOUS = Viewer()


@dataclass(frozen=True, slots=True)
class Rule:
    """An audience's rule: a member of all of `groups`, and of these only `owner_id` if it is set.

    With `any_of` a member of any of these.
    """

    groups: tuple[int, ...] = ()
    owner_id: int | None = None
    any_of: tuple[int, ...] | None = None


EVERYBODY = Rule()


def visible_jobs(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Job` that holds for the jobs this viewer sees."""
    if viewer.is_admin or viewer.is_anonymous:
        return in_audience(viewer, Job.audience_id)
    return or_(Job.submitter_id == viewer.user_id, in_audience(viewer, Job.audience_id))


def in_audience(viewer: Viewer, audience: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition that a viewer satisfies the rule of the audience in a column."""
    if viewer.is_admin:
        return true()
    public = audience == PUBLIC
    if viewer.is_anonymous:
        return public
    admitting = select(Audience.id).where(Audience.id == audience, admits(viewer))
    return or_(public, admitting.correlate(audience.class_).exists())


def admits(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Audience` that holds for those whose rule a user satisfies."""
    mine = cast(list(viewer.groups), ARRAY(BigInteger))
    is_free = or_(Audience.owner_id.is_(None), Audience.owner_id == viewer.user_id)
    is_any = or_(Audience.any_of.is_(None), Audience.any_of.overlap(mine))
    return and_(Audience.groups.contained_by(mine), is_free, is_any)


def sees(viewer: Viewer, submitter_id: int, rule: Rule) -> bool:
    """Tell the same of one job whose row is at hand, with the rule of its audience."""
    if viewer.is_admin or rule == EVERYBODY:
        return True
    if viewer.is_anonymous:
        return False
    if submitter_id == viewer.user_id:
        return True
    mine = set(viewer.groups)
    is_any = rule.any_of is None or not mine.isdisjoint(rule.any_of)
    return is_any and rule.owner_id in (None, viewer.user_id) and mine.issuperset(rule.groups)
