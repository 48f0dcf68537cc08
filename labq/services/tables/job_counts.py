"""How many jobs a list has: known where the counts tell such jobs apart, counted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from labq.domain.states import JobState, Outcome
from labq.models.job import Job, JobLabel
from labq.services import audience_counts
from labq.services.audience_counts import UNFINISHED
from labq.services.paging import LARGEST_ID
from labq.services.tables.job_fields import BY_LABEL, DRIVES
from labq.services.tables.job_wanted import Search
from labq.services.tables.lookups import Condition, Lookup

ENDED = frozenset(outcome.value for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counts tell apart: device types and outcomes, None is all of them; ids."""

    device_types: frozenset[str] | None = None
    outcomes: frozenset[str] | None = None
    first: int = 0
    last: int = LARGEST_ID

    @property
    def is_of_all_ids(self) -> bool:
        """Tell whether any id will do."""
        return (self.first, self.last) == (0, LARGEST_ID)

    @property
    def is_of_blocks(self) -> bool:
        """Tell whether the counts of blocks are those of these jobs."""
        return self.device_types is None and self.is_of_all_ids

    def bounded(self, lookup: str, value: int) -> Counted:
        """Return the same jobs, those alone whose id is so compared with a value."""
        match Lookup(lookup):
            case Lookup.GT:
                return replace(self, first=max(self.first, value + 1))
            case Lookup.GTE:
                return replace(self, first=max(self.first, value))
            case Lookup.LT:
                return replace(self, last=min(self.last, value - 1))
            case _:
                return replace(self, last=min(self.last, value))


def counted(conditions: Sequence[Condition]) -> Counted | None:
    """Return what the counts know of jobs like these, None when they know nothing."""
    found = Counted()
    for one in conditions:
        column, _, lookup = one.drive.partition(" ")
        values = frozenset(UNFINISHED if value is None else str(value) for value in one.values)
        if one.drive == "device_type":
            found = replace(found, device_types=_both(found.device_types, values))
        elif one.drive == "outcome":
            found = replace(found, outcomes=_both(found.outcomes, values))
        elif one.drive == "state" and one.values == (JobState.FINISHED.value,):
            found = replace(found, outcomes=_both(found.outcomes, ENDED))
        elif column == "id" and lookup and isinstance(one.values[0], int):
            found = found.bounded(lookup, one.values[0])
        else:
            return None
    return found


def _both(one: frozenset[str] | None, other: frozenset[str]) -> frozenset[str]:
    return other if one is None else one & other


def count(session: Session, search: Search, wanted: Counted | None, ids: Sequence[int]) -> int:
    """Return how many jobs there are; a page that is not full says it itself."""
    asked = search.asked
    if len(ids) < asked.rows and (ids or asked.offset == 0):
        return asked.offset + len(ids)
    if wanted is not None and wanted.device_types is None:
        return _count_between(session, search, wanted)
    if wanted is not None and wanted.device_types is not None and wanted.is_of_all_ids:
        return audience_counts.count(
            session, search.seen, device_types=wanted.device_types, outcomes=wanted.outcomes
        )
    if len(search.conditions) == 1:
        (only,) = search.conditions
        if only.drive in BY_LABEL and len(only.values) == 1:
            return _count_labels(session, search, only)
    query = select(func.count()).select_from(Job).where(search.visible(), *search.sql)
    return session.scalars(query).one()


def _count_between(session: Session, search: Search, wanted: Counted) -> int:
    """Count by whole blocks, and one by one what is in those that are not wanted as a whole."""
    blocks = audience_counts.find_blocks(session, search.seen, outcomes=wanted.outcomes)
    whole, rest = blocks.between(wanted.first, wanted.last)
    if not rest:
        return whole
    edges = or_(*(Job.id.between(first, last) for first, last in rest))
    query = select(func.count()).select_from(Job).where(search.visible(), *search.sql, edges)
    return whole + session.scalars(query).one()


def _count_labels(session: Session, search: Search, label: Condition) -> int:
    """Count the jobs with a label: those of an audience are in one place of an index."""
    query = select(func.count()).select_from(JobLabel).where(DRIVES[label.drive](label.values[0]))
    seen = search.seen.audiences
    if seen.satisfied is None:
        return session.scalars(query).one()
    found = session.scalars(query.where(JobLabel.audience_id.in_(seen.satisfied))).one()
    if seen.foreign:
        own = query.join(Job, Job.id == JobLabel.job_id).where(search.own())
        found += session.scalars(own).one()
    return found
