"""Whether what is known of a job can still change, and a seal that is another one if it did."""

from __future__ import annotations

from sqlalchemy import Text, and_, cast, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from labq.domain.states import JobState, RunState
from labq.models.job import Job
from labq.models.run import IS_AWAITED, Run, RunLog
from labq.services.job_view import gone
from labq.services.logs import IS_LOG_OF_RUN
from labq.services.visibility import Viewer, visible_jobs

# The transaction that wrote a row last: PostgreSQL's own mark of each change of it.
_JOB = cast(literal_column("job.xmin"), Text)
_RUN = func.concat(
    Run.id,
    ":",
    cast(literal_column("run.xmin"), Text),
    ":",
    cast(literal_column("run_log.xmin"), Text),
)


def find_seal(session: Session, viewer: Viewer, job_id: int, *, with_log: bool) -> str | None:
    """Return the seal of a finished job whose runs have all ended; None of one that may change.

    With the log: of one whose logs are packed, too. Raises NotFoundError for a job that the viewer
    does not see.
    """
    is_open = or_(Run.state != RunState.ENDED, IS_AWAITED)
    if with_log:
        is_open = or_(is_open, and_(RunLog.run_id.is_not(None), RunLog.is_packed.is_(False)))
    runs = func.string_agg(_RUN, aggregate_order_by(literal_column("','"), Run.id))
    row = session.execute(
        select(
            Job.state,
            func.concat(Job.id, ":", _JOB).label("job"),
            func.coalesce(runs.filter(Run.id.is_not(None)), "").label("runs"),
            func.coalesce(func.bool_or(is_open), False).label("is_open"),
        )
        .outerjoin(Run, Run.job_id == Job.id)
        .outerjoin(RunLog, IS_LOG_OF_RUN)
        .where(Job.id == job_id, visible_jobs(viewer))
        .group_by(Job.id, _JOB)
    ).one_or_none()
    if row is None:
        raise gone(session, viewer, job_id)
    if row.state is not JobState.FINISHED or row.is_open:
        return None
    return f"{row.job} {row.runs}"
