"""Pins: jobs that retention leaves alone. A pin and a removal wait for each other at the job's row."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ForbiddenError, NotFoundError
from labq.models.control import Audit
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.retention import JobPin, RetentionDay
from labq.services.retention import marks
from labq.services.retention.exclusion import hold_off_drops
from labq.services.retention.marks import PinView
from labq.services.transitions import By
from labq.services.visibility import Viewer, visible_jobs


def pin(session: Session, viewer: Viewer, job_id: int, by: By) -> PinView:
    """Keep a job until it is unpinned; one that is pinned keeps its first pin.

    Raises NotFoundError for a job that is not there or hidden, ForbiddenError unless the viewer is
    its submitter or an admin.
    """
    hold_off_drops(session)
    job = _changeable(session, viewer, job_id)
    add(session, job, by)
    return _required(session, job_id)


def unpin(session: Session, viewer: Viewer, job_id: int, by: By) -> None:
    """Let retention have the job again; raises as `pin` does, and NotFoundError without a pin."""
    job = _changeable(session, viewer, job_id)
    gone = session.scalar(delete(JobPin).where(JobPin.job_id == job_id).returning(JobPin.job_id))
    if gone is None:
        raise NotFoundError(f"job {job_id} is not pinned")
    _note(session, job, ("pinned", "unpinned"), by)


def add(session: Session, job: Job, by: By) -> None:
    """Pin a job whose row this transaction holds."""
    row = {"job_id": job.id, "pinned_by": by.actor, "pinned_at": by.at, "reason": by.reason}
    made = insert(JobPin).values(row).on_conflict_do_nothing().returning(JobPin.job_id)
    if session.scalar(made) is not None:
        _note(session, job, ("unpinned", "pinned"), by)


def _required(session: Session, job_id: int) -> PinView:
    found = marks.find_pin(session, job_id)
    if found is None:
        raise NotFoundError(f"job {job_id} is not pinned")
    return found


def _changeable(session: Session, viewer: Viewer, job_id: int) -> Job:
    """Return the job, held against removal until the transaction ends."""
    query = select(Job).where(Job.id == job_id, visible_jobs(viewer))
    job = session.scalar(query.with_for_update(key_share=True, read=True, of=Job))
    if job is None:
        raise NotFoundError(f"there is no job {job_id}, or you may not see it")
    if not viewer.is_admin and job.submitter_id != viewer.user_id:
        raise ForbiddenError(f"only its submitter or an admin may pin job {job_id}")
    return job


def _note(session: Session, job: Job, move: tuple[str, str], by: By) -> None:
    """Write the audit row, and have the job's day counted again."""
    marks.touch(session, [job.id])
    session.execute(delete(RetentionDay).where(RetentionDay.day == day_of(job.submitted_at)))
    before, after = move
    row = Audit(
        at=by.at,
        actor=by.actor,
        subject="pin",
        subject_id=str(job.id),
        before=before,
        after=after,
        reason=by.reason,
    )
    session.add(row)
