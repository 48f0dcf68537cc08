"""One job with everything that its page shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure, NotFoundError
from labq.domain.plan import Queue, StepKind
from labq.domain.states import HostState, JobState, Outcome, RunState, StepState
from labq.models.audience import Audience, is_public
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import TestSuite
from labq.models.retention import JobPin
from labq.models.run import Run, RunLog, Step
from labq.models.user import Group, User
from labq.services import host_load, job_groups
from labq.services.archive import view as archive
from labq.services.host_load import SlotWait
from labq.services.job_groups import GroupView
from labq.services.logs import IS_LOG_OF_RUN
from labq.services.retention import marks
from labq.services.retention.marks import PinView, RemovedPart
from labq.services.visibility import Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step; `slot_wait_seconds` is how long it waited for a slot of its host.

    `suspect` says why its failure may be the host's and not the board's.
    """

    position: int
    kind: StepKind
    queue: Queue
    name: str
    method: str
    state: StepState
    begins: int
    slot_wait_seconds: float
    began_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    error: Failure | None
    suspect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One execution of the job. `error` is its first failure, whatever runs came after it.

    `lost_at`: the server ended it without its host, which had torn it down by `torn_down_at`.
    """

    id: int
    number: int
    device: str
    host: str
    state: RunState
    reserved_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    lost_at: datetime | None = None
    torn_down_at: datetime | None = None
    error: Failure | None = None
    log_bytes: int
    log_lines: int
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCount:
    """A suite of the latest run with the number of its cases by verdict."""

    name: str
    passed: int
    failed: int
    skipped: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job; `queue_wait_seconds` is the time from submission to its latest run's reservation.

    `retries_left`: how many further runs infrastructure failures may have. `waits_for` says what an
    unfinished job waits for that is not in the ordinary run of things, empty for nothing.

    `slot_wait` is there while its run waits for a slot of its host. `group` is what it is a member of.
    """

    id: int
    name: str
    submitter: str
    device_type: str
    device: str | None
    host: str | None
    wanted_device: str | None
    wanted_host: str | None
    tags: tuple[str, ...]
    priority: int
    viewing_groups: tuple[str, ...] | None
    state: JobState
    outcome: Outcome | None
    error: Failure | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    queue_until: datetime | None
    queue_wait_seconds: float | None
    slot_wait: SlotWait | None
    duration_seconds: float | None
    resubmit_of: int | None
    is_health_check: bool = False
    retries_left: int = 0
    waits_for: str = ""
    run_id: int | None
    may_change: bool
    runs: tuple[RunView, ...]
    suites: tuple[SuiteCount, ...]
    pin: PinView | None = None
    group: GroupView | None = None
    removed: tuple[RemovedPart, ...] = ()


def find(session: Session, viewer: Viewer, job_id: int) -> JobView:
    """Return a job that the viewer sees; raises NotFoundError."""
    query = _job_query().where(Job.id == job_id, visible_jobs(viewer))
    row = session.execute(query).one_or_none()
    if row is None:
        raise gone(session, viewer, job_id)
    job, submitter, device, host, groups, pin, removed = row
    runs = _runs(session, job_id)
    latest = next((run for run in runs if run.id == job.run_id), None)
    return JobView(
        id=job.id,
        name=job.name,
        submitter=submitter,
        device_type=job.device_type,
        device=device,
        host=host,
        wanted_device=job.wanted_device,
        wanted_host=job.wanted_host,
        tags=tuple(job.tags),
        priority=job.priority,
        viewing_groups=None if is_public(job.audience_id) else tuple(groups),
        state=job.state,
        outcome=job.outcome,
        error=_failure(job.error_type, job.error_message),
        submitted_at=job.submitted_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        queue_until=job.queue_until,
        queue_wait_seconds=_seconds(job.submitted_at, latest.reserved_at if latest else None),
        slot_wait=_slot_wait(session, latest),
        duration_seconds=_seconds(job.started_at, job.ended_at),
        resubmit_of=job.resubmit_of,
        is_health_check=job.is_health_check,
        retries_left=job.retries_left,
        waits_for=_waits_for(session, job, latest),
        run_id=job.run_id,
        may_change=viewer.is_admin or viewer.user_id == job.submitter_id,
        runs=runs,
        suites=_suites(session, job),
        pin=marks.read_pin(pin),
        group=None if job.group_id is None else job_groups.find_view(session, job.group_id),
        removed=marks.read_removed(removed),
    )


def gone(session: Session, viewer: Viewer, job_id: int) -> NotFoundError:
    """Return the error for a job that is not there or hidden: it says where it is archived."""
    try:
        found = archive.find_job(session, viewer, job_id)
    except NotFoundError:
        return missing(job_id)
    if found.removed_at is None:
        return missing(job_id)
    names = {part.bundle for part in archive.find_parts(session, job_id) if part.bundle}
    where = f"is archived in {', '.join(sorted(names))}" if names else "was not archived"
    return NotFoundError(
        f"job {job_id} was removed by retention on {found.removed_at:%Y-%m-%d}, and {where}"
    )


def _waits_for(session: Session, job: Job, run: RunView | None) -> str:
    """Return what an unfinished job waits for: a silent host, or another device."""
    if job.state is JobState.FINISHED or run is None:
        return ""
    if job.waits_again:
        return "a device for a further run, after an infrastructure failure"
    silent = select(Host.reported_at).where(Host.name == run.host, Host.state == HostState.OFFLINE)
    host = session.execute(silent).one_or_none()
    if host is None:
        return ""
    since = f"{host.reported_at:%Y-%m-%d %H:%M:%S} UTC" if host.reported_at else "its beginning"
    what = "the cancel is done" if job.state is JobState.CANCELING else "news of the job come"
    return (
        f"host {run.host}, silent since {since}: {what} when it is back, or when it counts as lost"
    )


def require(session: Session, viewer: Viewer, job_id: int) -> None:
    """Raise NotFoundError unless the viewer sees the job."""
    if session.scalar(select(Job.id).where(Job.id == job_id, visible_jobs(viewer))) is None:
        raise missing(job_id)


def _slot_wait(session: Session, run: RunView | None) -> SlotWait | None:
    if run is None or run.state is RunState.ENDED:
        return None
    return host_load.find_wait(session, run.host, run.id)


def _job_query() -> Select[*tuple[Any, ...]]:
    groups = (
        select(Group.name)
        .join(Audience, Group.id == func.any(Audience.groups))
        .where(Audience.id == Job.audience_id)
        .order_by(Group.name)
        .correlate(Job)
    )
    return (
        select(
            Job,
            User.name,
            Device.name,
            Device.host,
            func.array(groups.scalar_subquery()),
            JobPin,
            marks.removed_of_job(),
        )
        .join(User, User.id == Job.submitter_id)
        .outerjoin(Device, Device.id == Job.device_id)
        .outerjoin(JobPin, JobPin.job_id == Job.id)
    )


def _runs(session: Session, job_id: int) -> tuple[RunView, ...]:
    rows = session.execute(
        select(Run, Device.name, RunLog.bytes, RunLog.lines)
        .join(Job, Job.id == Run.job_id)
        .outerjoin(RunLog, IS_LOG_OF_RUN)
        .join(Device, Device.id == Run.device_id)
        .where(Run.job_id == job_id)
        .order_by(Run.number)
    ).all()
    if not rows:
        return ()
    steps = _steps(session, [run.id for run, *_ in rows])
    return tuple(
        RunView(
            id=run.id,
            number=run.number,
            device=device,
            host=run.host,
            state=run.state,
            reserved_at=run.reserved_at,
            began_at=run.began_at,
            ended_at=run.ended_at,
            lost_at=run.lost_at,
            torn_down_at=run.torn_down_at,
            error=_failure(run.error_type, run.error_message),
            log_bytes=length or 0,
            log_lines=lines or 0,
            steps=tuple(steps[run.id]),
        )
        for run, device, length, lines in rows
    )


def _steps(session: Session, runs: list[int]) -> Mapping[int, list[StepView]]:
    found: dict[int, list[StepView]] = defaultdict(list)
    for step in session.scalars(
        select(Step).where(Step.run_id.in_(runs)).order_by(Step.run_id, Step.position)
    ):
        found[step.run_id].append(_step(step))
    return found


def _step(step: Step) -> StepView:
    return StepView(
        position=step.position,
        kind=step.kind,
        queue=step.queue,
        name=step.name,
        method=step.method,
        state=step.state,
        begins=step.begins,
        slot_wait_seconds=step.waited_ms / 1000,
        began_at=step.began_at,
        ended_at=step.ended_at,
        duration_seconds=_seconds(step.began_at, step.ended_at),
        error=_failure(step.error_type, step.error_message),
        suspect=step.suspect,
    )


def _suites(session: Session, job: Job) -> tuple[SuiteCount, ...]:
    """Return the suites that have cases; what a run that went back reported before counts no more."""
    if job.run_id is None:
        return ()
    counts = (TestSuite.passed, TestSuite.failed, TestSuite.skipped, TestSuite.unknown)
    rows = session.execute(
        select(TestSuite.name, *counts)
        .where(
            TestSuite.job_id == job.id,
            TestSuite.run_id == job.run_id,
            TestSuite.submitted_on == day_of(job.submitted_at),
            or_(*(count > 0 for count in counts)),
        )
        .order_by(TestSuite.id)
    )
    return tuple(SuiteCount(**row._asdict()) for row in rows)


def _failure(error_type: ErrorType | None, message: str) -> Failure | None:
    return None if error_type is None else Failure(type=error_type, message=message)


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else (end - begin).total_seconds()


def missing(job_id: int | str) -> NotFoundError:
    """Return the error for a job that is not there or hidden: both look the same."""
    return NotFoundError(f"there is no job {job_id}, or you may not see it")
