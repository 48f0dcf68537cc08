"""Lists of jobs: the columns a list shows, filtered, by key, in one statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, select
from sqlalchemy.orm import Session, aliased

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.models.audience import PUBLIC
from labq.models.device import Device
from labq.models.job import Job
from labq.models.user import User
from labq.services.paging import Page, decode_id, page_of
from labq.services.visibility import Viewer, visible_jobs

ME = "me"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; None asks nothing. `submitter` may be `me`; several states mean any of them."""

    states: tuple[JobState, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    device_type: str | None = None
    device: str | None = None
    host: str | None = None
    submitter: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None
    tag: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job in a list."""

    id: int
    name: str
    submitter: str
    device_type: str
    device: str | None
    state: JobState
    outcome: Outcome | None
    error_type: ErrorType | None
    priority: int
    tags: tuple[str, ...]
    is_public: bool
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def find_page(
    session: Session,
    viewer: Viewer,
    wanted: JobFilter,
    *,
    after: str | None = None,
    limit: int = 50,
) -> Page[JobRow]:
    """Return jobs that the viewer sees, the newest first."""
    query = select_rows().where(visible_jobs(viewer), *_conditions(viewer, wanted))
    if after is not None:
        query = query.where(Job.id < decode_id(after))
    rows = session.execute(query.order_by(Job.id.desc()).limit(limit + 1))
    return page_of([_row(row._asdict()) for row in rows], limit, lambda job: job.id)


def select_rows() -> Select[*tuple[Any, ...]]:
    """Return the query for the columns of JobRow."""
    return (
        select(
            Job.id,
            Job.name,
            User.name.label("submitter"),
            Job.device_type,
            Device.name.label("device"),
            Job.state,
            Job.outcome,
            Job.error_type,
            Job.priority,
            Job.tags,
            (Job.audience_id == PUBLIC).label("is_public"),
            Job.submitted_at,
            Job.started_at,
            Job.ended_at,
        )
        .join(User, User.id == Job.submitter_id)
        .outerjoin(Device, Device.id == Job.device_id)
    )


def _row(values: dict[str, Any]) -> JobRow:
    return JobRow(**{**values, "tags": tuple(values["tags"])})


def _conditions(viewer: Viewer, wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.states:
        yield Job.state.in_(wanted.states)
    if wanted.outcomes:
        yield Job.outcome.in_(wanted.outcomes)
    if wanted.since is not None:
        yield Job.submitted_at >= wanted.since
    if wanted.until is not None:
        yield Job.submitted_at < wanted.until
    if wanted.name is not None:
        yield Job.name.icontains(wanted.name, autoescape=True)
    if wanted.tag is not None:
        yield Job.tags.contains([wanted.tag])
    if wanted.priority is not None:
        yield Job.priority == wanted.priority
    yield from _conditions_by_name(viewer, wanted)


def _conditions_by_name(viewer: Viewer, wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    """Yield those that name another thing; as sub-queries, so that the index of the id is used."""
    board = aliased(Device)
    if wanted.device_type is not None:
        yield Job.device_type == wanted.device_type
    if wanted.device is not None:
        yield Job.device_id == select(board.id).where(board.name == wanted.device).scalar_subquery()
    if wanted.host is not None:
        yield Job.device_id.in_(select(board.id).where(board.host == wanted.host))
    if wanted.submitter == ME:
        yield Job.submitter_id == literal(viewer.user_id)
    elif wanted.submitter is not None:
        submitter = aliased(User)
        yield (
            Job.submitter_id
            == select(submitter.id).where(submitter.name == wanted.submitter).scalar_subquery()
        )
