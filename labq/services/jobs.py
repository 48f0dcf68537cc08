"""What people do to jobs: submit, validate, cancel, resubmit."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import (
    ErrorType,
    Failure,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from labq.domain.states import JobState, Outcome
from labq.jobdef import multinode
from labq.jobdef.multinode import Member
from labq.jobdef.parse import parse_job
from labq.jobdef.spec import Audience, JobSpec
from labq.models.audience import PUBLIC
from labq.models.device import DeviceType
from labq.models.job import Job, JobDefinition
from labq.models.user import Group
from labq.services import (
    audiences,
    available_devices,
    deliveries,
    device_aliases,
    device_rights,
    job_groups,
    job_labels,
    open_runs,
    results,
    runs,
    tally,
    transitions,
)
from labq.services.transitions import By, Work
from labq.services.visibility import ANONYMOUS, Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What a submission says beside the definition; None leaves it to the definition.

    `retries`: how many further runs an infrastructure failure may have. `device` pins the job to
    one; a health check is the server's own.
    """

    priority: int | None = None
    queue_seconds: float | None = None
    resubmit_of: int | None = None
    retries: int = 0
    keeps_console: bool = False
    device: str | None = None
    is_health_check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """What became of a bulk cancel: done, refused to this user, and unknown or hidden."""

    canceled: tuple[int, ...] = ()
    forbidden: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


DEFAULTS = SubmitOptions()


def submit(
    session: Session,
    text: str | bytes,
    *,
    user: Viewer,
    now: datetime,
    options: SubmitOptions = DEFAULTS,
) -> int:
    """Store a job and wake the conductor; return its id.

    Raises InvalidInputError with all problems of the text, or with what does not exist here.
    """
    if user.user_id is None:
        raise ForbiddenError("log in to submit jobs")
    spec = _named(session, parse_job(text))
    definition = text.decode() if isinstance(text, bytes) else text
    # Health checks may use every device: they are the server's own.
    asking = replace(user, is_admin=True) if options.is_health_check else user
    name = str(uuid.uuid4())
    members = _members(session, spec, definition, name)
    groups = _check(session, asking, replace(spec, device=options.device or spec.device), members)
    _check_options(options, members)

    store = partial(_store, session, _Submission(user.user_id, groups, options, now))
    if members:
        first = job_groups.store(session, members, name=name, text=definition, make=store)
    else:
        first = store(spec, definition).id
    transitions.tell(session, work=[Work.PAIRING])
    return first


def _members(session: Session, spec: JobSpec, definition: str, name: str) -> list[Member]:
    """Return the jobs that a multinode definition stands for, none for another one."""
    if not spec.is_multinode:
        return []
    members = multinode.split(definition, name)
    return [replace(member, spec=_named(session, member.spec)) for member in members]


def _check_options(options: SubmitOptions, members: Sequence[Member]) -> None:
    if options.priority is not None and not 0 <= options.priority <= 100:
        raise InvalidInputError([Problem("options.priority", "must be 0 to 100")])
    if members and options.retries:
        message = "a multinode job has no further runs: its members would not meet again"
        raise InvalidInputError([Problem("options.retries", message)])
    if members and options.device:
        message = "a multinode job names devices in its roles"
        raise InvalidInputError([Problem("options.device", message)])


@dataclass(frozen=True, slots=True)
class _Submission:
    """What all jobs of a submission have in common: whose, for whose eyes, how and when."""

    submitter_id: int
    groups: list[int] | None
    options: SubmitOptions
    now: datetime


def _store(session: Session, of: _Submission, spec: JobSpec, definition: str) -> Job:
    """Store one job, checked before."""
    options, now = of.options, of.now
    queue_seconds = options.queue_seconds or spec.timeouts.queue
    job = Job(
        name=spec.name,
        submitter_id=of.submitter_id,
        device_type=spec.device_type,
        wanted_device=options.device or spec.device,
        wanted_host=spec.worker,
        tags=list(spec.tags),
        priority=spec.priority if options.priority is None else options.priority,
        audience_id=_audience(session, of.groups, of.submitter_id, spec.device_type),
        state=JobState.SUBMITTED,
        submitted_at=now,
        queue_until=now + timedelta(seconds=queue_seconds) if queue_seconds else None,
        resubmit_of=options.resubmit_of,
        retries_left=options.retries,
        keeps_console=options.keeps_console,
        is_health_check=options.is_health_check,
    )
    session.add(job)
    session.flush()
    metadata, notify = dict(spec.metadata), dict(spec.notify) or None
    session.add(
        JobDefinition(job_id=job.id, definition=definition, job_metadata=metadata, notify=notify)
    )
    job_labels.store(session, job, metadata)
    tally.job_submitted(session, job)
    transitions.tell_of_job(session, job, now)
    transitions.tell(session, jobs=[job.id])
    return job


def validate(session: Session, text: str | bytes, user: Viewer = ANONYMOUS) -> None:
    """Raise what `submit` would raise for this text, and store nothing."""
    spec = _named(session, parse_job(text))
    definition = text.decode() if isinstance(text, bytes) else text
    _check(session, user, spec, _members(session, spec, definition, "validated"))


def cancel(session: Session, job_id: int, *, user: Viewer, now: datetime) -> None:
    """Cancel a job: at once while it waits, else by way of `collect`; an ended one stays as it is.

    Raises NotFoundError for an unknown or hidden job, ForbiddenError unless the user is its
    submitter, an admin, or may change its device (without one: its device type).
    """
    done = cancel_many(session, [job_id], user=user, now=now)
    if done.unknown:
        raise NotFoundError(f"there is no job {job_id}")
    if done.forbidden:
        raise ForbiddenError(
            f"only its submitter, an admin and who may change its device may cancel job {job_id}"
        )


def cancel_many(
    session: Session, job_ids: Collection[int], *, user: Viewer, now: datetime
) -> Canceled:
    """Cancel several jobs and say what became of each; with a member its whole group is canceled."""
    every = job_groups.with_members(session, set(job_ids))
    found = {job.id: job for job in transitions.lock(session, Job, every)}
    is_seen = select(Job.id).where(Job.id.in_(found), visible_jobs(user))
    seen = {key: found[key] for key in session.scalars(is_seen)}
    changeable = _may_change(session, user, seen.values())
    allowed = {key: job for key, job in seen.items() if key in changeable}
    by = By(user.name, now, f"canceled by {user.name}")
    _cancel(session, list(allowed.values()), by)
    return Canceled(
        canceled=tuple(sorted(allowed.keys() & set(job_ids))),
        forbidden=tuple(sorted((seen.keys() - allowed.keys()) & set(job_ids))),
        unknown=tuple(sorted(set(job_ids) - seen.keys())),
    )


def cancel_overdue(session: Session, now: datetime, limit: int = 100) -> int:
    """Cancel jobs that waited longer than their queue timeout, with their groups; return how many."""
    query = (
        select(Job)
        .where(Job.state == JobState.SUBMITTED, Job.queue_until <= now)
        .order_by(Job.queue_until)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    overdue = {job.id: job for job in session.scalars(query)}
    others = job_groups.with_members(session, overdue) - overdue.keys() if overdue else set()
    by = By(transitions.SYSTEM, now, "no device took the job within its queue timeout")
    _cancel(session, [*overdue.values(), *transitions.lock(session, Job, others)], by)
    return len(overdue)


def cancel_doomed(session: Session, now: datetime) -> int:
    """Cancel what is left of groups that an essential member has ended; return how many groups."""
    doomed = job_groups.find_doomed(session)
    for group in doomed:
        members = job_groups.with_members(session, [group.id])
        by = By(transitions.SYSTEM, now, group.doomed or "")
        _cancel(session, transitions.lock(session, Job, members), by)
        group.doomed = None
    return len(doomed)


def resubmit(session: Session, job_id: int, *, user: Viewer, now: datetime) -> int:
    """Submit the definition of a job, or of its group, once more; return the new job's id.

    Raises NotFoundError for an unknown or hidden job, and what `submit` raises.
    """
    query = select(JobDefinition.definition).join(Job, Job.id == JobDefinition.job_id)
    text = session.scalar(query.where(Job.id == job_id, visible_jobs(user)))
    if text is None:
        raise NotFoundError(f"there is no job {job_id}")
    options = SubmitOptions(resubmit_of=job_id)
    text = job_groups.find_definition(session, job_id) or text
    return submit(session, text, user=user, now=now, options=options)


def _may_change(session: Session, user: Viewer, jobs: Collection[Job]) -> set[int]:
    """Return the ids of the jobs that a user may cancel: own ones, and those on devices to change."""
    if user.is_admin:
        return {job.id for job in jobs}
    own = {job.id for job in jobs if job.submitter_id == user.user_id}
    others = [job.id for job in jobs if job.id not in own]
    return own | device_rights.find_changeable_jobs(session, user, others)


def _cancel(session: Session, jobs: Collection[Job], by: By) -> None:
    """Cancel locked jobs: those without a run at once; those that end already are left alone."""
    waiting = [job for job in jobs if job.state is JobState.SUBMITTED or job.waits_again]
    scheduled = [job for job in jobs if job.state in (JobState.SCHEDULED, JobState.RUNNING)]
    busy = [job.run_id for job in scheduled if job.run_id and not job.waits_again]
    finish_waiting(session, waiting, by)
    for known in open_runs.load(session, busy).values():
        runs.cancel(session, known, by)
    work = [Work.SENDING] if busy else []
    transitions.tell(session, jobs=[job.id for job in (*waiting, *scheduled)], work=work)


def finish_waiting(session: Session, jobs: Collection[Job], by: By) -> None:
    """End locked jobs that have no run as canceled."""
    failure = Failure(type=ErrorType.CANCELED, message=by.reason)
    for job in jobs:
        transitions.finish_job(session, job, Outcome.CANCELED, failure, by=by)
        definition = session.get_one(JobDefinition, job.id)
        deliveries.add_due(session, job, definition.notify, by.at)
    results.store(
        session,
        (),
        [results.job_result(job, job.run_id, 0, failure=failure, at=by.at) for job in jobs],
    )


def _named(session: Session, spec: JobSpec) -> JobSpec:
    """Return the definition with its device type by the name proper, where it has an alias."""
    found = device_aliases.resolve(session, spec.device_type)
    return replace(spec, device_type=found) if found else spec


def _check(
    session: Session, user: Viewer, spec: JobSpec, members: Sequence[Member] = ()
) -> list[int] | None:
    """Compare a definition with what exists; return the ids of the groups that may see the job."""
    problems = []
    if members:
        job_groups.check(session, user, members)
    elif (problem := _find_no_device(session, user, spec)) is not None:
        problems.append(problem)
    groups = _groups(session, spec)
    if spec.visibility.audience is Audience.GROUP and not groups:
        names = ", ".join(spec.visibility.groups)
        problems.append(Problem("visibility.group", f"none of these groups exists: {names}"))
    if problems:
        raise InvalidInputError(problems)
    return groups


def _audience(
    session: Session, groups: list[int] | None, submitter_id: int, device_type: str
) -> int:
    """Return who sees a new job: a public one who may view its type.

    The lock on the type has changes of rights wait for this job. A member of a group that works on
    another one's device has no type.
    """
    if groups is not None:
        return audiences.choose(session, groups, submitter_id)
    query = select(DeviceType.audience_id).where(DeviceType.name == device_type)
    found = session.scalar(query.with_for_update(read=True, key_share=True)) or PUBLIC
    audiences.note_submitter(session, submitter_id, found)
    return found


def _find_no_device(session: Session, user: Viewer, spec: JobSpec) -> Problem | None:
    """Return why no device could ever run the job, busy or not; None when one could."""
    reason = available_devices.find_problem(session, user, job_groups.want_of(spec))
    return Problem("device_type", reason) if reason else None


def _groups(session: Session, spec: JobSpec) -> list[int] | None:
    """Return the ids of the groups that may see the job, None for everybody.

    Groups that do not exist are left out, as LAVA does.
    """
    match spec.visibility.audience:
        case Audience.PUBLIC:
            return None
        case Audience.PERSONAL:
            return []
        case Audience.GROUP:
            names = spec.visibility.groups
            return sorted(session.scalars(select(Group.id).where(Group.name.in_(names))))
