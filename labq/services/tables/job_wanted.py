"""Which jobs a list has, in which order, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, true

from labq.models.job import Job
from labq.services.audience_counts import Seen
from labq.services.tables.lookups import Condition
from labq.services.tables.page import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which jobs, in which order, for whom."""

    seen: Seen
    conditions: tuple[Condition, ...]
    asked: Asked
    order: str

    @property
    def is_by_id(self) -> bool:
        return self.order.removeprefix("-") == "id"

    @property
    def is_upward(self) -> bool:
        return not self.order.startswith("-")

    @property
    def sql(self) -> list[ColumnElement[bool]]:
        return [one.sql for one in self.conditions]

    def visible(self) -> ColumnElement[bool]:
        """Return the condition for what is seen, by audiences alone."""
        satisfied, foreign = self.seen.audiences.satisfied, self.seen.audiences.foreign
        if satisfied is None:
            return true()
        seen = Job.audience_id.in_(satisfied)
        return or_(seen, self.own()) if foreign else seen

    def own(self) -> ColumnElement[bool]:
        """Return the condition for own jobs of audiences whose rule asks for more."""
        return and_(
            Job.submitter_id == self.seen.user_id,
            Job.audience_id.in_(self.seen.audiences.foreign),
            Job.audience_id != 0,
        )
