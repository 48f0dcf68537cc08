"""How much of a job's log is stored; its bytes are files (labq.blobs)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.states import JobState
from labq.models.job import Job
from labq.models.run import Run
from labq.services.job_view import missing
from labq.services.visibility import Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What is stored of a job's log; `run_id` is None before the job has a run."""

    run_id: int | None
    stored_bytes: int
    stored_lines: int
    is_complete: bool


def find_log_state(session: Session, viewer: Viewer, job_id: int) -> LogState:
    """Return how much of the latest run's log is stored; raises NotFoundError."""
    row = session.execute(
        select(Job.state, Run.id, Run.log_bytes, Run.log_lines, Run.is_log_packed)
        .outerjoin(Run, Run.id == Job.run_id)
        .where(Job.id == job_id, visible_jobs(viewer))
    ).one_or_none()
    if row is None:
        raise missing(job_id)
    is_over = row.state is JobState.FINISHED
    return LogState(
        run_id=row.id,
        stored_bytes=row.log_bytes or 0,
        stored_lines=row.log_lines or 0,
        is_complete=is_over and (row.id is None or row.is_log_packed),
    )
