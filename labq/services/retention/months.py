"""Results go by the month: a partition is dropped once all of it is due, or rows go in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum

from sqlalchemy import Connection, Engine, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError
from labq.domain.retention import Kind, due_kinds
from labq.models.partition import PARTITIONED, of_month
from labq.models.retention import DoomedMonth
from labq.services import partitions
from labq.services.retention import exclusion
from labq.services.retention.days import DayPlan, Due

LONGEST_WAIT = timedelta(days=32)
"""How much longer than a policy says results stay, so that their month can be dropped as one."""
WORTH_CASES = 20_000
"""Test cases that are deleted one by one rather than waited for."""
RESULT_TABLES = ("test_case", "test_suite")


class Way(Enum):
    """How the results of a month go."""

    BATCHES = "batches"
    DROP = "drop"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Decision:
    """The way, and for WAIT the day on which the whole month is due."""

    way: Way
    until: date


def decide(session: Session, month: date, today: date) -> Decision:
    """Return how the results of a month go, all of whose days are counted."""
    row = session.execute(_OUTLOOK, {"begin": month, "end": following(month)}).one()
    is_closed = today >= following(month) + timedelta(days=2)
    if not is_closed or row.kept or row.last_due is None or row.cases < WORTH_CASES:
        return Decision(Way.BATCHES, today)
    if row.last_due <= today:
        return Decision(Way.DROP, today)
    if row.last_due - today <= LONGEST_WAIT:
        return Decision(Way.WAIT, row.last_due)
    return Decision(Way.BATCHES, today)


def hold_back(plan: DayPlan, until: date, today: date) -> None:
    """Leave results, and the jobs that they go with, for the day on which the whole month goes."""
    kept: list[Due] = []
    for one in plan.due:
        if Kind.RESULTS not in one.parts:
            kept.append(one)
            continue
        plan.later = until if plan.later is None else min(plan.later, until)
        if kinds := _others(one, today):
            kept.append(Due(one.job, one.rule, kinds))
    plan.due[:] = kept


def _others(due: Due, today: date) -> tuple[Kind, ...]:
    """Return what goes without waiting for the month."""
    subject = due.job.subject
    if subject is None:
        return ()
    days: dict[Kind, int] = {
        kind: age for kind, age in due.rule.days.items() if kind not in (Kind.RESULTS, Kind.JOBS)
    }
    return due_kinds(replace(due.rule, days=days), subject.ended_at, due.job.sizes, today)


def doom_results(session: Session, month: date, revision: int, now: datetime) -> bool:
    """Let go of a month's results if all of them are archived and may go; False when some may not.

    They count as removed from the commit on; `drop_doomed` does it.
    """
    exclusion.hold_for_drop(session)
    values = {"begin": month, "end": following(month), "revision": revision}
    if session.scalar(_IS_NEEDED, values):
        return False
    session.execute(_NOTE_REMOVED, {**values, "now": now})
    _doom(session, RESULT_TABLES, month)
    return True


def doom_empty(session: Session, month: date) -> None:
    """Let go of a month's partitions if there is no job any more that was submitted in it."""
    exclusion.hold_for_drop(session)
    if not session.scalar(_HAS_JOBS, {"begin": month, "end": following(month)}):
        _doom(session, PARTITIONED, month)


def drop_doomed(engine: Engine) -> int:
    """Drop the partitions that were let go of, and return how many; twice is once.

    Raises ConflictError when readers do not end in time.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        doomed = connection.execute(select(DoomedMonth.month, DoomedMonth.table_name)).all()
        for month, table in doomed:
            is_there = _exists(connection, of_month(table, month))
            # It sets how this connection commits, which none may that has asked something before.
            connection.commit()
            if is_there:
                partitions.drop_month(connection, table, month)
            connection.execute(
                delete(DoomedMonth).where(
                    DoomedMonth.month == month, DoomedMonth.table_name == table
                )
            )
    return len(doomed)


def check_kept(session: Session, month: date) -> None:
    """Raise ConflictError while a month is being dropped, into which rows are to be brought back."""
    exclusion.hold_off_drops(session)
    if session.scalar(select(DoomedMonth.month).where(DoomedMonth.month == month).limit(1)):
        raise ConflictError(f"the data of {month:%Y-%m} are being dropped: try again in a minute")


def following(month: date) -> date:
    """Return the first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _doom(session: Session, tables: tuple[str, ...], month: date) -> None:
    there = [table for table in tables if _exists(session.connection(), of_month(table, month))]
    rows = [{"month": month, "table_name": table} for table in there]
    if rows:
        session.execute(insert(DoomedMonth).values(rows).on_conflict_do_nothing())


def _exists(connection: Connection, table: str) -> bool:
    return connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is not None


# A policy's results are due by themselves, or with its whole jobs where they have no age of their own.
_OUTLOOK = text("""
SELECT (SELECT sum(kept) FROM retention_day WHERE day >= :begin AND day < :end) AS kept,
       max(tally.due_on) AS last_due,
       (SELECT coalesce(sum(passed + failed + skipped + unknown), 0) FROM test_suite
         WHERE submitted_on >= :begin AND submitted_on < :end) AS cases
  FROM retention_tally AS tally JOIN retention_policy AS policy ON policy.id = tally.policy_id
 WHERE tally.day >= :begin AND tally.day < :end AND tally.jobs > 0
   AND (tally.kind = 'results' OR (tally.kind = 'jobs' AND policy.results_days IS NULL))
""")
_IS_NEEDED = text("""
SELECT EXISTS (
  SELECT FROM test_suite AS suite
   WHERE suite.submitted_on >= :begin AND suite.submitted_on < :end
     AND (EXISTS (SELECT FROM job_pin AS pin WHERE pin.job_id = suite.job_id)
          OR NOT EXISTS (
            SELECT FROM archived_part AS part
             WHERE part.job_id = suite.job_id AND part.kind = 'results'
               AND part.removed_at IS NULL AND part.revision = :revision))
)
""")
_NOTE_REMOVED = text("""
UPDATE archived_part AS part SET removed_at = :now
  FROM (SELECT DISTINCT job_id FROM test_suite
         WHERE submitted_on >= :begin AND submitted_on < :end) AS gone
 WHERE part.job_id = gone.job_id AND part.kind = 'results' AND part.removed_at IS NULL
   AND part.revision = :revision
""")
_HAS_JOBS = text("""
SELECT EXISTS (
  SELECT FROM job
   WHERE submitted_at >= timezone('UTC', CAST(:begin AS timestamp))
     AND submitted_at < timezone('UTC', CAST(:end AS timestamp))
)
""")
