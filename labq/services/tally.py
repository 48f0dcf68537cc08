"""What a move of a job changes in the counts: noted here, written when its transaction commits.

Each move has a row of its own, so that no two submissions wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta

from sqlalchemy import bindparam, event, func, insert, select
from sqlalchemy.orm import Session

from labq.domain.states import JobState
from labq.models.base import table_of
from labq.models.device import Device
from labq.models.job import Job
from labq.models.rollup import BLOCK, CountDelta

PENDING = "changes of counts to write at the commit"
_MILLISECOND = timedelta(milliseconds=1)


def job_submitted(session: Session, job: Job) -> None:
    """Count a new job as waiting."""
    _note(session, job, waiting=1)


def job_moved(session: Session, job: Job, before: JobState) -> None:
    """Count a job that left the queue, or was finished, after it has moved."""
    left = {"waiting": -1} if before is JobState.SUBMITTED else {"active": -1}
    if job.state is JobState.FINISHED:
        _note(session, job, **left, **ended(job))
    elif before is JobState.SUBMITTED:
        _note(session, job, waiting=-1, active=1)


def job_readdressed(session: Session, job: Job, before: int) -> None:
    """Count a job for the audience that it was given, and no more for the one `before`."""
    for audience, sign in ((before, -1), (job.audience_id, 1)):
        if job.outcome is not None:
            _note(session, job, audience_id=audience, jobs=sign, outcome=job.outcome.value)
        else:
            waits = job.state is JobState.SUBMITTED
            _note(session, job, audience_id=audience, **{"waiting" if waits else "active": sign})


def _note(session: Session, job: Job, **changes: object) -> None:
    place = {"audience_id": job.audience_id, "block": job.id // BLOCK}
    row = {**_NOTHING, "device_type": job.device_type, **place, **changes}
    session.info.setdefault(PENDING, []).append(row)


def ended(job: Job) -> dict[str, object]:
    """Return what a job adds that has just ended."""
    ended_at, started_at = job.ended_at, job.started_at
    if ended_at is None or started_at is None or job.outcome is None:
        message = f"job {job.id} is finished without its times"
        raise RuntimeError(message)
    return {
        "day": ended_at.astimezone(UTC).date(),
        "host": job.host or "",
        "its_device": job.device_id,
        "outcome": job.outcome.value,
        "error_type": job.error_type.value if job.error_type else "",
        "jobs": 1,
        "run_ms": (ended_at - started_at) // _MILLISECOND,
        "wait_ms": (started_at - job.submitted_at) // _MILLISECOND,
        "ended_at": ended_at,
    }


_NOTHING: Mapping[str, object] = {
    "waiting": 0,
    "active": 0,
    "day": None,
    "host": "",
    "its_device": None,
    "outcome": "",
    "error_type": "",
    "jobs": 0,
    "run_ms": 0,
    "wait_ms": 0,
    "ended_at": None,
}
_DEVICE = select(Device.name).where(Device.id == bindparam("its_device")).scalar_subquery()
_INSERT = insert(table_of(CountDelta)).values(device=func.coalesce(_DEVICE, ""))


def write(session: Session) -> None:
    """Write what the moves of a transaction change, in one statement, just before it commits."""
    rows = session.info.pop(PENDING, None)
    if rows:
        session.execute(_INSERT, rows)


def _drop(session: Session, *_rolled_back: object) -> None:
    """Forget the moves that were not made."""
    session.info.pop(PENDING, None)


event.listen(Session, "before_commit", write)
event.listen(Session, "after_soft_rollback", _drop)
