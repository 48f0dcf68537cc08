"""Jobs by their place in the list, the newest first: how LAVA's clients leaf through a million jobs.

Where a place is among so many is known from counts (`services/audience_counts.py`), so that the last
page costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.models.device import Device
from labq.models.job import Job
from labq.models.user import User
from labq.services import audience_counts, audiences, job_ids, job_list
from labq.services.audience_counts import UNFINISHED, Seen
from labq.services.job_list import JobFilter
from labq.services.paging import LARGEST_ID, encode_key
from labq.services.visibility import Viewer, visible_jobs

WALKED = 5_000
"""How many jobs are read over without asking the counts, and looked at for a condition at once."""
MOST_ENDED = 10_000
"""How many of the jobs that ended last are looked at."""
_ACTIVE = tuple(state for state in JobState if state is not JobState.FINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestFilter:
    """Which jobs; None asks nothing, an empty tuple finds nothing. The outcome None is of unfinished ones.

    `ended_since` asks for those that ended after a moment, `started_until` for unfinished ones that
    began before one.
    """

    states: tuple[JobState, ...] | None = None
    outcomes: tuple[Outcome | None, ...] | None = None
    ended_since: datetime | None = None
    started_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRow:
    """One job in a list; `shown` is its id as clients are shown it."""

    id: int
    shown: int | str
    name: str
    submitter: str
    device_type: str
    device: str | None
    state: JobState
    outcome: Outcome | None
    error_type: ErrorType | None
    error_message: str
    started_at: datetime | None
    ended_at: datetime | None


def find(
    session: Session, viewer: Viewer, wanted: NewestFilter, *, start: int, limit: int
) -> list[NewestRow]:
    """Return `limit` of the jobs that the viewer sees, after the first `start` of them."""
    asked = _single(wanted)
    if asked is None or not limit:
        return []
    if wanted.ended_since is not None:
        ids = _ended(session, viewer, wanted, start=start, limit=limit)
    elif wanted.started_until is not None:
        ids = _begun(session, viewer, (asked, wanted.started_until), start=start, limit=limit)
    else:
        ids = _placed(session, viewer, asked, start=start, limit=limit)
    return _rows(session, ids)


def find_waiting(
    session: Session, viewer: Viewer, types: Sequence[str] | None, *, start: int, limit: int
) -> list[NewestRow]:
    """Return jobs that wait for a device, of some types or of all, as `find` does."""
    if types is None:
        wanted = NewestFilter(states=(JobState.SUBMITTED,))
        return find(session, viewer, wanted, start=start, limit=limit)
    query = (
        select(Job.id)
        .where(
            Job.state == JobState.SUBMITTED,
            Job.device_type.in_(sorted(set(types))),
            visible_jobs(viewer),
        )
        .order_by(Job.id.desc())
        .offset(min(start, LARGEST_ID))
        .limit(limit)
    )
    return _rows(session, list(session.scalars(query)))


def _single(wanted: NewestFilter) -> JobFilter | None:
    """Return the same as one filter on states or on outcomes, None when no job can fit."""
    states, outcomes = wanted.states, wanted.outcomes
    if outcomes is None:
        return None if states == () else JobFilter(states=states or ())
    ended = tuple(outcome for outcome in outcomes if outcome is not None)
    if ended:
        is_possible = states is None or JobState.FINISHED in states
        return JobFilter(outcomes=ended) if is_possible else None
    active = _ACTIVE if states is None else tuple(set(states) & set(_ACTIVE))
    return JobFilter(states=active) if active else None


def _placed(
    session: Session, viewer: Viewer, asked: JobFilter, *, start: int, limit: int
) -> list[int]:
    after, skipped = None, start
    if start > WALKED:
        kinds = [outcome.value for outcome in asked.outcomes] or None
        seen = Seen(audiences=audiences.find(session, viewer), user_id=viewer.user_id)
        if asked.states and JobState.FINISHED in asked.states:
            kinds = [outcome.value for outcome in Outcome]
        elif asked.states:
            kinds = [UNFINISHED]
        blocks = audience_counts.find_blocks(session, seen, outcomes=kinds)
        place = blocks.find(start, is_upward=False)
        if place is None:
            return []
        # Of unfinished jobs in some state alone all are read: there are never very many.
        if kinds != [UNFINISHED]:
            after, skipped = encode_key(place.last + 1), place.skipped
    found = job_list.find_page(
        session, viewer, asked, after=after, limit=skipped + limit, window=None
    )
    return [job.id for job in found.items[skipped:]]


def _begun(
    session: Session, viewer: Viewer, asked: tuple[JobFilter, datetime], *, start: int, limit: int
) -> list[int]:
    wanted, until = asked
    found = job_list.find_page(session, viewer, wanted, limit=WALKED, window=None)
    begun = [job.id for job in found.items if job.started_at and job.started_at <= until]
    return begun[start : start + limit]


def _ended(
    session: Session, viewer: Viewer, wanted: NewestFilter, *, start: int, limit: int
) -> list[int]:
    latest = (
        select(Job.id)
        .where(*_ended_conditions(wanted), visible_jobs(viewer))
        .order_by(Job.ended_at.desc())
        .limit(MOST_ENDED)
        .subquery()
    )
    query = select(latest.c.id).order_by(latest.c.id.desc())
    return list(session.scalars(query.offset(min(start, LARGEST_ID)).limit(limit)))


def _ended_conditions(wanted: NewestFilter) -> Iterator[ColumnElement[bool]]:
    yield Job.ended_at >= wanted.ended_since
    if wanted.states is not None:
        yield Job.state.in_(wanted.states)
    if wanted.outcomes is not None:
        yield Job.outcome.in_([outcome for outcome in wanted.outcomes if outcome is not None])


def _rows(session: Session, ids: Sequence[int]) -> list[NewestRow]:
    rows = session.execute(_ROWS.where(Job.id.in_(ids)).order_by(Job.id.desc())) if ids else ()
    return [
        NewestRow(
            shown=job_ids.shown(row.id, row.group_id, row.sub_id),
            **{name: value for name, value in row._asdict().items() if name not in _OF_ID},
        )
        for row in rows
    ]


_OF_ID = frozenset({"group_id", "sub_id"})
_ROWS = (
    select(
        Job.id,
        Job.group_id,
        Job.sub_id,
        Job.name,
        User.name.label("submitter"),
        Job.device_type,
        Device.name.label("device"),
        Job.state,
        Job.outcome,
        Job.error_type,
        Job.error_message,
        Job.started_at,
        Job.ended_at,
    )
    .join(User, User.id == Job.submitter_id)
    .outerjoin(Device, Device.id == Job.device_id)
)
