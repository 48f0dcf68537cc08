"""How much of a job's log is stored, and its lines as JSON; the bytes are files (labq.blobs)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.states import JobState
from labq.models.job import Job
from labq.models.run import Run, RunLog
from labq.services.job_view import missing
from labq.services.logs import IS_LOG_OF_RUN
from labq.services.visibility import Viewer, visible_jobs

# A host sends the end of a run and the last bytes of its log side by side: these may come second.
LAST_BYTES_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What is stored of a job's log; `run_id` is None before the job has a run.

    `is_over`: the job has ended. `is_complete`: its last bytes have had the time to come, too.
    """

    run_id: int | None
    stored_bytes: int
    stored_lines: int
    is_over: bool
    is_complete: bool


def find_log_state(
    session: Session, viewer: Viewer, job_id: int, *, now: datetime, number: int | None = None
) -> LogState:
    """Return how much of a run's log is stored, the latest one's unless its number is given.

    Raises NotFoundError.
    """
    state = _find(session, job_id, visible_jobs(viewer), now)
    if number is None:
        return state
    query = (
        select(Run.id, RunLog.bytes, RunLog.lines).select_from(Job).join(Run, Run.job_id == Job.id)
    )
    row = query.outerjoin(RunLog, IS_LOG_OF_RUN).where(Job.id == job_id, Run.number == number)
    run = session.execute(row).one_or_none()
    if run is None:
        raise NotFoundError(f"job {job_id} has no run {number}")
    is_earlier = run.id != state.run_id
    return LogState(
        run_id=run.id,
        stored_bytes=run.bytes or 0,
        stored_lines=run.lines or 0,
        is_over=state.is_over or is_earlier,
        is_complete=state.is_complete or is_earlier,
    )


def find_any_log_state(session: Session, job_id: int, *, now: datetime) -> LogState:
    """Return the same for a caller that was let in before; raises NotFoundError."""
    return _find(session, job_id, true(), now)


def _find(session: Session, job_id: int, condition: ColumnElement[bool], now: datetime) -> LogState:
    row = session.execute(
        select(Job.state, Job.ended_at, Run.id, RunLog.bytes, RunLog.lines, RunLog.is_packed)
        .outerjoin(Run, Run.id == Job.run_id)
        .outerjoin(RunLog, IS_LOG_OF_RUN)
        .where(Job.id == job_id, condition)
    ).one_or_none()
    if row is None:
        raise missing(job_id)
    is_over = row.state is JobState.FINISHED
    return LogState(
        run_id=row.id,
        stored_bytes=row.bytes or 0,
        stored_lines=row.lines or 0,
        is_over=is_over,
        is_complete=is_over
        and (row.id is None or row.is_packed or row.ended_at <= now - LAST_BYTES_AFTER),
    )


def lines_as_json(lines: Sequence[bytes]) -> bytes:
    """Return a JSON array of log records for raw lines `- {...}`.

    What a host sent is not trusted: a line of another form becomes a record with its text.
    """
    joined = b"[%s]" % b",".join(line.removeprefix(b"- ") for line in lines)
    try:
        records = json.loads(joined)
    except ValueError:
        records = []
    if len(records) == len(lines) and all(isinstance(record, dict) for record in records):
        return joined
    return json.dumps([_record(line) for line in lines]).encode()


def _record(line: bytes) -> object:
    text = line.decode(errors="replace")
    try:
        record = json.loads(text.removeprefix("- "))
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"dt": None, "lvl": "debug", "msg": text}
