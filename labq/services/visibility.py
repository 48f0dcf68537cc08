"""Who looks, and which jobs that viewer sees: one condition for every query over jobs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, and_, cast, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

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
    """An audience's rule: a member of all of `groups`, and of these only `owner_id` if it is set."""

    groups: tuple[int, ...] = ()
    owner_id: int | None = None


EVERYBODY = Rule()


def visible_jobs(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Job` that holds for the jobs this viewer sees."""
    if viewer.is_admin:
        return true()
    public = Job.audience_id == PUBLIC
    if viewer.is_anonymous:
        return public
    own = Job.submitter_id == viewer.user_id
    admitting = select(Audience.id).where(Audience.id == Job.audience_id, admits(viewer))
    return or_(public, own, admitting.correlate(Job).exists())


def admits(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Audience` that holds for those whose rule a user satisfies."""
    mine = cast(list(viewer.groups), ARRAY(BigInteger))
    is_free = or_(Audience.owner_id.is_(None), Audience.owner_id == viewer.user_id)
    return and_(Audience.groups.contained_by(mine), is_free)


def sees(viewer: Viewer, submitter_id: int, rule: Rule) -> bool:
    """Tell the same of one job whose row is at hand, with the rule of its audience."""
    if viewer.is_admin or rule == EVERYBODY:
        return True
    if viewer.is_anonymous:
        return False
    if submitter_id == viewer.user_id:
        return True
    return rule.owner_id in (None, viewer.user_id) and set(rule.groups) <= set(viewer.groups)
