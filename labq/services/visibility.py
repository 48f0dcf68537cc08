"""Who looks, and which jobs that viewer sees: one condition for every query over jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, cast, func, or_, true
from sqlalchemy.dialects.postgresql import ARRAY

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


def visible_jobs(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on `Job` that holds for the jobs this viewer sees."""
    if viewer.is_admin:
        return true()
    public = Job.viewing_groups.is_(None)
    if viewer.is_anonymous:
        return public
    own = Job.submitter_id == viewer.user_id
    if not viewer.groups:
        return or_(public, own)
    mine = cast(list(viewer.groups), ARRAY(BigInteger))
    shared = Job.viewing_groups.contained_by(mine) & (func.cardinality(Job.viewing_groups) > 0)
    return or_(public, own, shared)


def sees(viewer: Viewer, submitter_id: int, viewing_groups: Sequence[int] | None) -> bool:
    """Tell the same of one job whose row is at hand."""
    if viewer.is_admin or viewing_groups is None:
        return True
    if viewer.is_anonymous:
        return False
    if submitter_id == viewer.user_id:
        return True
    return bool(viewing_groups) and set(viewing_groups) <= set(viewer.groups)
