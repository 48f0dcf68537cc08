"""What people do to jobs: submit, validate, cancel, resubmit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
from labq.domain.matching import FreeDevice, Want, explain
from labq.domain.states import DeviceHealth, JobState, Outcome
from labq.jobdef.parse import parse_job
from labq.jobdef.spec import Audience, JobSpec
from labq.models.device import Device, DeviceType
from labq.models.job import Job, JobDefinition
from labq.models.user import Group
from labq.services import (
    audiences,
    deliveries,
    job_labels,
    open_runs,
    results,
    runs,
    tally,
    transitions,
)
from labq.services.transitions import By, Work
from labq.services.visibility import Viewer, visible_jobs


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
    spec = parse_job(text)
    definition = text.decode() if isinstance(text, bytes) else text
    groups = _check(session, replace(spec, device=options.device or spec.device))
    priority = spec.priority if options.priority is None else options.priority
    if not 0 <= priority <= 100:
        raise InvalidInputError([Problem("options.priority", "must be 0 to 100")])
    queue_seconds = options.queue_seconds or spec.timeouts.queue
    job = Job(
        name=spec.name,
        submitter_id=user.user_id,
        device_type=spec.device_type,
        wanted_device=options.device or spec.device,
        wanted_host=spec.worker,
        tags=list(spec.tags),
        priority=priority,
        audience_id=audiences.choose(session, groups, user.user_id),
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
    transitions.tell(session, jobs=[job.id], work=[Work.PAIRING])
    return job.id


def validate(session: Session, text: str | bytes) -> None:
    """Raise what `submit` would raise for this text, and store nothing."""
    _check(session, parse_job(text))


def cancel(session: Session, job_id: int, *, user: Viewer, now: datetime) -> None:
    """Cancel a job: at once while it waits, else by way of `collect`; an ended one stays as it is.

    Raises NotFoundError for an unknown or hidden job, ForbiddenError unless the user is its
    submitter or an admin.
    """
    done = cancel_many(session, [job_id], user=user, now=now)
    if done.unknown:
        raise NotFoundError(f"there is no job {job_id}")
    if done.forbidden:
        raise ForbiddenError(f"only its submitter or an admin may cancel job {job_id}")


def cancel_many(
    session: Session, job_ids: Collection[int], *, user: Viewer, now: datetime
) -> Canceled:
    """Cancel several jobs and say what became of each."""
    found = {job.id: job for job in transitions.lock(session, Job, set(job_ids))}
    is_seen = select(Job.id).where(Job.id.in_(found), visible_jobs(user))
    seen = {key: found[key] for key in session.scalars(is_seen)}
    allowed = {key: job for key, job in seen.items() if _may_cancel(user, job)}
    by = By(user.name, now, f"canceled by {user.name}")
    _cancel(session, list(allowed.values()), by)
    return Canceled(
        canceled=tuple(sorted(allowed)),
        forbidden=tuple(sorted(seen.keys() - allowed.keys())),
        unknown=tuple(sorted(set(job_ids) - seen.keys())),
    )


def cancel_overdue(session: Session, now: datetime, limit: int = 100) -> int:
    """Cancel jobs that waited longer than their queue timeout; return how many."""
    query = (
        select(Job)
        .where(Job.state == JobState.SUBMITTED, Job.queue_until <= now)
        .order_by(Job.queue_until)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    overdue = list(session.scalars(query))
    by = By(transitions.SYSTEM, now, "no device took the job within its queue timeout")
    _cancel(session, overdue, by)
    return len(overdue)


def resubmit(session: Session, job_id: int, *, user: Viewer, now: datetime) -> int:
    """Submit the definition of a job once more, as the user's; return the new job's id.

    Raises NotFoundError for an unknown or hidden job, and what `submit` raises.
    """
    query = select(JobDefinition.definition).join(Job, Job.id == JobDefinition.job_id)
    text = session.scalar(query.where(Job.id == job_id, visible_jobs(user)))
    if text is None:
        raise NotFoundError(f"there is no job {job_id}")
    options = SubmitOptions(resubmit_of=job_id)
    return submit(session, text, user=user, now=now, options=options)


def _may_cancel(user: Viewer, job: Job) -> bool:
    return user.is_admin or (user.user_id is not None and user.user_id == job.submitter_id)


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


def _check(session: Session, spec: JobSpec) -> list[int] | None:
    """Compare a definition with what exists; return the ids of the groups that may see the job."""
    problems = []
    if spec.is_multinode:
        problems.append(Problem("protocols.lava-multinode", "this server runs no multinode jobs"))
    elif (problem := _find_no_device(session, spec)) is not None:
        problems.append(problem)
    groups = _groups(session, spec)
    if spec.visibility.audience is Audience.GROUP and not groups:
        names = ", ".join(spec.visibility.groups)
        problems.append(Problem("visibility.group", f"none of these groups exists: {names}"))
    if problems:
        raise InvalidInputError(problems)
    return groups


def _find_no_device(session: Session, spec: JobSpec) -> Problem | None:
    """Return why no device could ever run the job, busy or not; None when one could."""
    query = select(Device.name, Device.host, Device.tags).where(
        Device.device_type == spec.device_type, Device.health != DeviceHealth.RETIRED
    )
    devices = [
        FreeDevice(name=name, device_type=spec.device_type, host=host, tags=frozenset(tags))
        for name, host, tags in session.execute(query)
    ]
    if not devices and session.get(DeviceType, spec.device_type) is None:
        return Problem("device_type", f"there is no device type {spec.device_type!r}")
    want = Want(
        device_type=spec.device_type,
        tags=frozenset(spec.tags),
        device=spec.device,
        host=spec.worker,
    )
    reason = explain(want, devices)
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
