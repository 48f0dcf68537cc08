"""Jobs by any filter, order and offset, and how many there are: what LAVA's REST lists.

The newest first is what nearly everybody asks for. Then rows come from arms, one for each audience and
value of the filter that finds the fewest, as in `services/job_query.py`; of plain lists a place
that is far down is found by counts of blocks. All else is left to the planner and its limit of time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from labq.domain.states import JobState, Outcome
from labq.models.audience import Audience
from labq.models.device import Device
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.job_group import JobGroup
from labq.models.tag import Tag
from labq.models.user import User
from labq.services import audience_counts, audiences
from labq.services.audience_counts import UNFINISHED, Place, Seen
from labq.services.tables import job_fields
from labq.services.tables.job_fields import BY_LABEL, DRIVES, ORDERS
from labq.services.tables.lookups import Column, Condition
from labq.services.tables.page import Asked, Found
from labq.services.visibility import Viewer, visible_jobs

MOST_ARMS = 40
_Audience = Callable[[Column], ColumnElement[bool]]
ENDED = frozenset(outcome.value for outcome in Outcome)


def find(session: Session, viewer: Viewer, asked: Asked) -> Found:
    """Return a page of the jobs that a viewer sees; raises InvalidInputError for a filter's value."""
    search = _Search(
        seen=Seen(audiences=audiences.find(session, viewer), user_id=viewer.user_id),
        conditions=tuple(job_fields.asked(session, asked.filters)),
        asked=asked,
        order=next((name for name in asked.ordering if name.removeprefix("-") in ORDERS), "-id"),
    )
    wanted = _of_counts(search.conditions)
    if wanted is not None and wanted.device_types is None:
        blocks = audience_counts.find_blocks(session, search.seen, outcomes=wanted.outcomes)
        place = blocks.find(asked.offset, is_upward=search.is_upward) if search.is_by_id else None
        is_beyond = asked.offset > 0 and asked.offset >= blocks.count
        ids = [] if is_beyond else _ids(session, search, place)
        return Found(max(blocks.count, asked.offset + len(ids)), _rows(session, ids))
    ids = _ids(session, search, None)
    return Found(_count(session, search, wanted, ids), _rows(session, ids))


def find_one(session: Session, viewer: Viewer, job_id: int) -> Row[*tuple[Any, ...]] | None:
    """Return one job that a viewer sees, None without it."""
    query = _details().where(Job.id == job_id, visible_jobs(viewer))
    return session.execute(query).one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
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


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the counts tell apart: device types and outcomes, None is all of them."""

    device_types: frozenset[str] | None = None
    outcomes: frozenset[str] | None = None


def _of_counts(conditions: Sequence[Condition]) -> _Counted | None:
    """Return what the counts know of jobs like these, None when they know nothing."""
    types: frozenset[str] | None = None
    outcomes: frozenset[str] | None = None
    for one in conditions:
        values = frozenset(UNFINISHED if value is None else str(value) for value in one.values)
        if one.drive == "device_type":
            types = values if types is None else types & values
        elif one.drive == "outcome" or (
            one.drive == "state" and one.values == (JobState.FINISHED.value,)
        ):
            ended = values if one.drive == "outcome" else ENDED
            outcomes = ended if outcomes is None else outcomes & ended
        else:
            return None
    return _Counted(types, outcomes)


def _count(session: Session, search: _Search, wanted: _Counted | None, ids: Sequence[int]) -> int:
    """Return how many jobs there are; a page that is not full says it itself."""
    asked = search.asked
    if len(ids) < asked.rows and (ids or asked.offset == 0):
        return asked.offset + len(ids)
    if wanted is not None and wanted.device_types is not None:
        return audience_counts.count(
            session, search.seen, device_types=wanted.device_types, outcomes=wanted.outcomes
        )
    query = select(func.count()).select_from(Job).where(search.visible(), *search.sql)
    return session.scalars(query).one()


def _ids(session: Session, search: _Search, place: Place | None) -> list[int]:
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


def _merged(search: _Search, place: Place | None, rows: int) -> Select[int]:
    """Return the ids that all arms deliver, in one order."""
    drive = _drive(search.conditions)
    satisfied = search.seen.audiences.satisfied
    values: Sequence[object] = (None,) if drive is None else drive.values
    is_own = (
        drive is not None and drive.drive == "submitter" and drive.values == (search.seen.user_id,)
    )
    whose: list[_Audience] = [lambda _column: true()]
    if satisfied is not None and not is_own:
        whose = [partial(_is, one) for one in satisfied]
        if len(whose) * len(values) > MOST_ARMS:
            whose = [lambda column: column.in_(satisfied)]
        if search.seen.audiences.foreign:
            whose.append(lambda _column: search.own())
    is_by_key = satisfied is None and (drive is None or drive.drive in BY_LABEL)
    cut = _Cut(place, rows, is_by_key=is_by_key)
    arms = [_arm(search, _Way(drive, value, who), cut) for value, who in product(values, whose)]
    found = (arms[0] if len(arms) == 1 else union_all(*arms)).subquery()
    order = found.c.id.desc() if is_by_key else found.c.place.asc()
    if search.is_upward:
        order = found.c.id.asc() if is_by_key else found.c.place.desc()
    return select(found.c.id).order_by(order)


def _is(audience: int, column: Column) -> ColumnElement[bool]:
    return column == audience


@dataclass(frozen=True, slots=True)
class _Way:
    """Which jobs an arm has: those of an audience with one value of the filter that drives."""

    drive: Condition | None
    value: object
    whose: _Audience


@dataclass(frozen=True, slots=True)
class _Cut:
    """How far an arm is read; `is_by_key`: by the primary key, which has no order by `-id`."""

    place: Place | None
    rows: int
    is_by_key: bool


def _drive(conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that finds the fewest jobs by an index of its own."""
    known = [one for one in conditions if one.drive in DRIVES and _can_drive(one)]
    order = list(DRIVES)
    return min(known, key=lambda one: order.index(one.drive), default=None)


def _can_drive(one: Condition) -> bool:
    if one.drive == "state" and JobState.FINISHED.value in one.values and len(one.values) > 1:
        return False
    return 0 < len(one.values) <= MOST_ARMS and None not in one.values


def _arm(search: _Search, way: _Way, cut: _Cut) -> Select[int, int]:
    """Return the ids of an arm, as far as they are needed."""
    drive = way.drive
    rest = [one.sql for one in search.conditions if one is not drive or one.drive in BY_LABEL]
    is_label = drive is not None and drive.drive in BY_LABEL
    key: Column = JobLabel.job_id if is_label else Job.id
    query: Select[int, int] = select(key.label("id"), (-key).label("place")).where(*rest)
    query = query.where(way.whose(JobLabel.audience_id if is_label else Job.audience_id))
    if is_label:
        query = query.join(Job, JobLabel.job_id == Job.id)
    if drive is not None:
        query = query.where(DRIVES[drive.drive](way.value))
    if cut.place is not None:
        is_near = key >= cut.place.first if search.is_upward else key <= cut.place.last
        if not cut.is_by_key:
            is_near = -key <= -cut.place.first if search.is_upward else -key >= -cut.place.last
        query = query.where(is_near)
    place = key.desc() if cut.is_by_key else (-key).asc()
    if search.is_upward:
        place = key.asc() if cut.is_by_key else (-key).desc()
    # A limit that the planner does not know keeps it from sorting what it takes for few rows.
    walk = select(bindparam("walk", cut.rows, BigInteger, unique=True)).scalar_subquery()
    return query.order_by(place).limit(walk)


def _rows(session: Session, ids: Sequence[int]) -> list[Row[*tuple[Any, ...]]]:
    """Return the jobs with these ids in their order."""
    if not ids:
        return []
    found = {row.id: row for row in session.execute(_details().where(Job.id.in_(ids)))}
    return [found[one] for one in ids if one in found]


def _details() -> Select[*tuple[Any, ...]]:
    return (
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


def _tag_ids(names: Column) -> ColumnElement[Any]:
    query = select(Tag.id).where(Tag.name == func.any(names)).order_by(Tag.id).correlate(Job)
    return func.array(query.scalar_subquery())
