"""How much of each run's log is stored; the bytes themselves are files (labq.blobs)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Subquery, and_, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from labq.domain.states import RunState
from labq.models.base import table_of
from labq.models.job import Job
from labq.models.partition import submitted_day
from labq.models.run import Run, RunLog
from labq.services import partitions
from labq.services.transitions import LOG_CHANNEL

QUIET_AFTER = timedelta(seconds=20)
"""How long after a run's end its log is taken to be complete; late bytes unpack it again."""


IS_LOG_OF_RUN = and_(
    RunLog.run_id == Run.id, RunLog.submitted_on == submitted_day(Job.submitted_at)
)
"""Joins a run of a job with what is stored of its log."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What of a run's log is on the disk."""

    host: str
    length: int
    lines: int
    submitted_on: date


def lengths(session: Session, runs: Collection[int]) -> dict[int, Stored]:
    """Return what is stored of these runs' logs; runs that do not exist are left out."""
    days = _days(runs)
    query = (
        select(
            days.c.id,
            days.c.host,
            func.coalesce(RunLog.bytes, 0),
            func.coalesce(RunLog.lines, 0),
            days.c.day,
        )
        .select_from(days)
        .outerjoin(RunLog, (RunLog.run_id == days.c.id) & (RunLog.submitted_on == days.c.day))
    )
    return {run: Stored(*rest) for run, *rest in session.execute(query)}


def extend(session: Session, grown: Mapping[int, Stored]) -> None:
    """Store that logs are longer now, and tell who follows them."""
    days = [stored.submitted_on for stored in grown.values()]
    partitions.ensure(session.connection(), min(days), max(days))
    session.execute(
        _EXTEND,
        {
            "channel": LOG_CHANNEL,
            "runs": list(grown),
            "lengths": [stored.length for stored in grown.values()],
            "lines": [stored.lines for stored in grown.values()],
            "days": days,
        },
    )


def find_quiet(session: Session, now: datetime, limit: int = 200) -> list[tuple[int, int]]:
    """Return (run, log length) of ended runs whose log is complete and not packed."""
    query = (
        select(RunLog.run_id, RunLog.bytes)
        .join(Run, Run.id == RunLog.run_id)
        .where(~RunLog.is_packed, Run.state == RunState.ENDED, Run.ended_at < now - QUIET_AFTER)
        .order_by(Run.ended_at)
        .limit(limit)
    )
    return [(run, length) for run, length in session.execute(query)]


def note_packed(session: Session, packed: Sequence[tuple[int, int]]) -> None:
    """Store that logs of these lengths are packed; one that has grown since is left as it is."""
    session.execute(
        update(table_of(RunLog))
        .where(tuple_(RunLog.run_id, RunLog.bytes).in_(packed), ~RunLog.is_packed)
        .values(is_packed=True)
    )


def delete_of(session: Session, runs: Collection[tuple[int, date]]) -> None:
    """Forget the logs of runs, given as (run, day of the job's submission); their files stay."""
    if runs:
        ids, days = zip(*runs, strict=True)
        session.execute(_DELETE, {"runs": list(ids), "days": list(days)})


def _days(runs: Collection[int]) -> Subquery:
    """Return the hosts of runs and the days of their jobs' submission."""
    return (
        select(Run.id, Run.host, submitted_day(Job.submitted_at).label("day"))
        .join(Job, Job.id == Run.job_id)
        .where(Run.id.in_(runs))
        .subquery()
    )


# Runs are kept from being deleted meanwhile, in the order in which everybody locks them.
_EXTEND = text("""
WITH grown AS (
  SELECT * FROM unnest(
    CAST(:runs AS bigint[]), CAST(:lengths AS bigint[]), CAST(:lines AS bigint[]),
    CAST(:days AS date[])
  ) AS one(run, length, lines, day)
), locked AS (
  SELECT run.id, grown.length, grown.lines, grown.day
    FROM run JOIN grown ON grown.run = run.id
   ORDER BY run.job_id, run.id FOR KEY SHARE OF run
), extended AS (
  INSERT INTO run_log AS log (run_id, bytes, lines, submitted_on)
  SELECT id, length, lines, day FROM locked
  ON CONFLICT (run_id, submitted_on) DO UPDATE
     SET bytes = excluded.bytes, lines = excluded.lines, is_packed = false
  RETURNING run_id, bytes
)
SELECT count(pg_notify(:channel, run_id || ':' || bytes)) FROM extended
""")
_DELETE = text("""
DELETE FROM run_log AS log
 USING unnest(CAST(:runs AS bigint[]), CAST(:days AS date[])) AS gone(run, day)
 WHERE log.run_id = gone.run AND log.submitted_on = gone.day
   AND log.submitted_on = ANY (CAST(:days AS date[]))
""")
