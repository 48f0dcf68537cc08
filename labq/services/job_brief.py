"""One job in few words: what clients ask for over and over, in one statement beside finding it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, ForbiddenError, NotFoundError
from labq.domain.states import JobState, Outcome
from labq.models.audience import Audience, is_public
from labq.models.device import Device
from labq.models.job import Job, JobDefinition
from labq.models.job_group import JobGroup
from labq.models.user import Group, User
from labq.services import job_ids
from labq.services.visibility import Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBrief:
    """A job; `shown` is its id as clients are shown it, `viewing_groups` are None for everybody."""

    id: int
    shown: int | str
    group_id: int | None
    sub_id: int | None
    name: str
    submitter_id: int
    submitter: str
    submitter_email: str
    device_type: str
    device: str | None
    tags: tuple[str, ...]
    priority: int
    viewing_groups: tuple[str, ...] | None
    state: JobState
    outcome: Outcome | None
    error_type: ErrorType | None
    error_message: str
    failure_comment: str | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    is_health_check: bool
    run_id: int | None


def find(session: Session, viewer: Viewer, job: int | str) -> JobBrief:
    """Return the job of an id as clients write it.

    Raises NotFoundError for one that is not there, ForbiddenError for one that is hidden.
    """
    number = job_ids.find(session, job)
    if number is None:
        raise NotFoundError(f"Job '{job}' was not found.")
    row = session.execute(_QUERY.add_columns(visible_jobs(viewer)).where(Job.id == number)).one()
    found, submitter, email, device, groups, is_seen = row
    if not is_seen:
        who = viewer.name or "AnonymousUser"
        raise ForbiddenError(f"Job '{job}' not available to user '{who}'.")
    return JobBrief(
        id=found.id,
        shown=job_ids.shown(found.id, found.group_id, found.sub_id),
        group_id=found.group_id,
        sub_id=found.sub_id,
        name=found.name,
        submitter_id=found.submitter_id,
        submitter=submitter,
        submitter_email=email,
        device_type=found.device_type,
        device=device,
        tags=tuple(found.tags),
        priority=found.priority,
        viewing_groups=None if is_public(found.audience_id) else tuple(groups),
        state=found.state,
        outcome=found.outcome,
        error_type=found.error_type,
        error_message=found.error_message,
        failure_comment=found.failure_comment,
        submitted_at=found.submitted_at,
        started_at=found.started_at,
        ended_at=found.ended_at,
        is_health_check=found.is_health_check,
        run_id=found.run_id,
    )


@dataclass(frozen=True, slots=True)
class WholeGroup:
    """The group of a job: its name, and the definition that it was split from."""

    name: str
    definition: str


def find_group(session: Session, job: JobBrief) -> WholeGroup | None:
    """Return the group of a job, None for one that has none."""
    group = None if job.group_id is None else session.get(JobGroup, job.group_id)
    return None if group is None else WholeGroup(group.name, group.definition)


def find_members(session: Session, jobs: Collection[int]) -> dict[int, str]:
    """Return the ids `N.M` of those jobs that are members of groups."""
    query = select(Job.id, Job.group_id, Job.sub_id)
    rows = session.execute(query.where(Job.id.in_(jobs), Job.group_id.is_not(None)))
    return {row.id: str(job_ids.shown(*row)) for row in rows}


def find_visible(session: Session, viewer: Viewer, jobs: Sequence[int | str]) -> dict[str, bool]:
    """Return for each job, as it is written, whether there is one and the viewer may see it."""
    numbers = {str(job): job_ids.find(session, job) for job in jobs}
    query = select(Job.id).where(Job.id.in_(numbers.values()), visible_jobs(viewer))
    seen = set(session.scalars(query))
    return {text: number in seen for text, number in numbers.items()}


def find_metadata(session: Session, job_id: int) -> dict[str, object]:
    """Return the metadata of a job."""
    found = session.scalar(select(JobDefinition.job_metadata).where(JobDefinition.job_id == job_id))
    return dict(found or {})


def find_ids(session: Session, first: int) -> int | list[int | str]:
    """Return the id of a job just submitted as clients are shown it; of a group those of all."""
    members = select(Job.id, Job.group_id, Job.sub_id).where(Job.group_id == first)
    rows = session.execute(members.order_by(Job.sub_id)).all()
    return [job_ids.shown(*row) for row in rows] or first


_GROUPS = (
    select(Group.name)
    .join(Audience, Group.id == func.any(Audience.groups))
    .where(Audience.id == Job.audience_id)
    .order_by(Group.name)
    .correlate(Job)
    .scalar_subquery()
)
_QUERY = (
    select(Job, User.name, User.email, Device.name, func.array(_GROUPS))
    .join(User, User.id == Job.submitter_id)
    .outerjoin(Device, Device.id == Job.device_id)
)
