"""Jobs by any filter, order and offset, and how many there are: what LAVA's REST lists.

The newest first is what nearly everybody asks for. Then rows come from arms, one for each audience and
value of the filter that finds the fewest, as in `services/job_query.py`; of plain lists a place
that is far down is found by counts of blocks. All else is left to the planner and its limit of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    bindparam,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from labq.domain.states import JobState
from labq.models.audience import Audience
from labq.models.device import Device
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.job_group import JobGroup
from labq.models.tag import Tag
from labq.models.user import User
from labq.services import audience_counts, audiences
from labq.services.audience_counts import Place, Seen
from labq.services.tables import job_counts, job_fields
from labq.services.tables.job_fields import BY_LABEL, DRIVES, ORDERS
from labq.services.tables.job_wanted import Search
from labq.services.tables.lookups import Column, Condition, any_of
from labq.services.tables.page import Asked, Found
from labq.services.visibility import Viewer, visible_jobs

MOST_ARMS = 40


def find(session: Session, viewer: Viewer, asked: Asked) -> Found:
    """Return a page of the jobs that a viewer sees; raises InvalidInputError for a filter's value."""
    search = Search(
        seen=Seen(audiences=audiences.find(session, viewer), user_id=viewer.user_id),
        conditions=tuple(job_fields.asked(session, asked.filters)),
        asked=asked,
        order=next((name for name in asked.ordering if name.removeprefix("-") in ORDERS), "-id"),
    )
    wanted = job_counts.counted(search.conditions)
    if wanted is not None and wanted.is_of_blocks:
        blocks = audience_counts.find_blocks(session, search.seen, outcomes=wanted.outcomes)
        place = blocks.find(asked.offset, is_upward=search.is_upward) if search.is_by_id else None
        is_beyond = asked.offset > 0 and asked.offset >= blocks.count
        ids = [] if is_beyond else _ids(session, search, place)
        return Found(max(blocks.count, asked.offset + len(ids)), _rows(session, ids))
    ids = _ids(session, search, None)
    return Found(job_counts.count(session, search, wanted, ids), _rows(session, ids))


def find_one(session: Session, viewer: Viewer, job_id: int) -> Row[*tuple[Any, ...]] | None:
    """Return one job that a viewer sees, None without it."""
    query = _DETAILS.where(Job.id == job_id, visible_jobs(viewer))
    return session.execute(query).one_or_none()


def _ids(session: Session, search: Search, place: Place | None) -> list[int]:
    """Return the ids of a page in its order."""
    asked = search.asked
    if search.is_by_id:
        skipped = asked.offset if place is None else place.skipped
        query = _merged(search, place, skipped + asked.rows).limit(asked.rows).offset(skipped)
        return list(session.scalars(query))
    column = ORDERS[search.order.removeprefix("-")]
    order = (column.asc(), Job.id.asc()) if search.is_upward else (column.desc(), Job.id.desc())
    found = select(Job.id).where(search.visible(), *search.sql)
    return list(session.scalars(found.order_by(*order).limit(asked.rows).offset(asked.offset)))


@dataclass(frozen=True, slots=True)
class _Way:
    """Which jobs an arm has: those with one value of the filter that drives, of some audiences.

    No audiences are all of them; `is_own`: of these the own jobs alone.
    """

    drive: Condition | None
    value: object
    audiences: tuple[int, ...]
    is_own: bool = False

    @property
    def is_label(self) -> bool:
        return self.drive is not None and self.drive.drive in BY_LABEL

    def among(self, column: Column) -> ColumnElement[bool]:
        """Return the condition for the audience in a column."""
        return any_of(column, self.audiences) if self.audiences else true()


@dataclass(frozen=True, slots=True)
class _Cut:
    """How far an arm is read; `is_by_key`: by a primary key, which has no order by `-id`."""

    place: Place | None
    rows: int
    is_by_key: bool


def _merged(search: Search, place: Place | None, rows: int) -> Select[int]:
    """Return the ids that all arms deliver, in one order."""
    ways = list(_ways(search))
    is_by_key = not ways[0].audiences and (ways[0].drive is None or ways[0].is_label)
    cut = _Cut(place, rows, is_by_key=is_by_key)
    arms = [_arm(search, way, cut) for way in ways]
    found = (arms[0] if len(arms) == 1 else union_all(*arms)).subquery()
    order = found.c.id.desc() if is_by_key else found.c.place.asc()
    if search.is_upward:
        order = found.c.id.asc() if is_by_key else found.c.place.desc()
    return select(found.c.id).order_by(order)


def _ways(search: Search) -> Iterator[_Way]:
    """Yield what the arms have; no job is in two of them."""
    drive = _drive(search.conditions)
    values: Sequence[object] = (None,) if drive is None else drive.values
    seen = search.seen.audiences
    is_mine = (
        drive is not None and drive.drive == "submitter" and drive.values == (search.seen.user_id,)
    )
    each: list[tuple[int, ...]] = [()]
    if seen.satisfied is not None and not is_mine:
        each = [(one,) for one in seen.satisfied]
        if len(each) * len(values) > MOST_ARMS:
            each = [seen.satisfied]
    for value in values:
        yield from (_Way(drive, value, some) for some in each)
        if seen.foreign and not is_mine:
            yield _Way(drive, value, seen.foreign, is_own=True)


def _drive(conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that finds the fewest jobs by an index of its own."""
    known = [one for one in conditions if one.drive in DRIVES and _can_drive(one)]
    order = list(DRIVES)
    return min(known, key=lambda one: order.index(one.drive), default=None)


def _can_drive(one: Condition) -> bool:
    """Tell whether one descent of an index for each value finds each job once."""
    if one.drive in BY_LABEL:
        return len(one.values) == 1
    if one.drive == "state" and JobState.FINISHED.value in one.values:
        return len(one.values) == 1
    return 0 < len(one.values) <= MOST_ARMS and None not in one.values


def _arm(search: Search, way: _Way, cut: _Cut) -> Select[int, int]:
    """Return the ids of an arm, as far as they are needed."""
    rest = [one.sql for one in search.conditions if one is not way.drive]
    if way.is_own:
        rest.append(search.own())
    key: Column = JobLabel.job_id if way.is_label else Job.id
    query: Select[int, int] = select(key.label("id"), (-key).label("place"))
    if way.drive is not None:
        query = query.where(DRIVES[way.drive.drive](way.value))
    if way.is_label:
        query = query.where(way.among(JobLabel.audience_id), *_of_job(rest))
    else:
        query = query.where(way.among(Job.audience_id), *rest)
    return _cut(query, key, cut, is_upward=search.is_upward)


def _of_job(rest: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Return what is asked of a label's job: a scalar query is never turned into a join."""
    if not rest:
        return []
    fits = select(true()).where(Job.id == JobLabel.job_id, *rest).limit(1)
    return [fits.correlate(JobLabel).scalar_subquery()]


def _cut(query: Select[int, int], key: Column, cut: _Cut, *, is_upward: bool) -> Select[int, int]:
    """Return the arm in its order, from a place on and no further than needed."""
    if cut.is_by_key:
        place = key.asc() if is_upward else key.desc()
    else:
        place = (-key).desc() if is_upward else (-key).asc()
    if cut.place is not None and cut.is_by_key:
        query = query.where(key >= cut.place.first if is_upward else key <= cut.place.last)
    elif cut.place is not None:
        query = query.where(-key <= -cut.place.first if is_upward else -key >= -cut.place.last)
    # A limit that the planner does not know keeps it from sorting what it takes for few rows.
    walk = select(bindparam("walk", cut.rows, BigInteger, unique=True)).scalar_subquery()
    return query.order_by(place).limit(walk)


def _rows(session: Session, ids: Sequence[int]) -> list[Row[*tuple[Any, ...]]]:
    """Return the jobs with these ids in their order."""
    if not ids:
        return []
    found = {row.id: row for row in session.execute(_PAGE, {"ids": list(ids)})}
    return [found[one] for one in ids if one in found]


def _tag_ids(names: Column) -> ColumnElement[Any]:
    query = select(Tag.id).where(Tag.name == func.any(names)).order_by(Tag.id).correlate(Job)
    return func.array(query.scalar_subquery())


_DETAILS = (
    select(
        Job.id,
        Job.audience_id,
        User.name.label("submitter"),
        select(Audience.groups)
        .where(Audience.id == Job.audience_id)
        .correlate(Job)
        .scalar_subquery()
        .label("viewing_groups"),
        Job.name,
        Job.is_health_check,
        Job.device_type,
        _tag_ids(Job.tags).label("tags"),
        Device.name.label("device"),
        Job.submitted_at,
        Job.started_at,
        Job.ended_at,
        Job.state,
        Job.outcome,
        Job.priority,
        JobDefinition.definition,
        JobDefinition.job_metadata,
        JobGroup.definition.label("whole"),
        _tag_ids(Job.failure_tags).label("failure_tags"),
        Job.failure_comment,
    )
    .join(User, User.id == Job.submitter_id)
    .join(JobDefinition, JobDefinition.job_id == Job.id)
    .outerjoin(Device, Device.id == Job.device_id)
    .outerjoin(JobGroup, JobGroup.id == Job.group_id)
)
_PAGE = _DETAILS.where(Job.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
