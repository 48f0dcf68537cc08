"""The jobs submitted on one UTC day: what of them is due now, and how much is due later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from labq.domain.retention import Kind, Rule, Subject, due_kinds, due_on, first_match
from labq.domain.states import JobState, Outcome, RunState
from labq.models.base import table_of
from labq.models.retention import RetentionDay, RetentionTally
from labq.services.archive.rows import CONSOLE_NAMES

CHUNK = 500
SETTLED = timedelta(days=2)
"""Days younger than that are not looked at: nothing of them can be due."""
CASE_BYTES = 300
"""What a test case is taken to need in the database, with its share of the indexes."""
JOB_BYTES = 2000
"""The same of a job with its run and steps, without its texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job as retention sees it; `sizes` has the kinds of data that are there, in bytes.

    `subject` is None until the job is finished and nothing of it is held on a host any more.
    `is_wanted`: it is the last health check of a device, which stays.
    """

    id: int
    subject: Subject | None
    is_pinned: bool
    is_wanted: bool
    sizes: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Due:
    """What of a job goes now, and by which policy."""

    job: Candidate
    rule: Rule
    kinds: tuple[Kind, ...]

    @property
    def parts(self) -> tuple[Kind, ...]:
        """Return the kinds with what a whole job takes along."""
        return tuple(self.job.sizes) if Kind.JOBS in self.kinds else self.kinds


@dataclass(slots=True)
class _Sum:
    jobs: int = 0
    bytes: int = 0
    pinned: int = 0


@dataclass(slots=True)
class DayPlan:
    """A counted day: see RetentionDay and RetentionTally."""

    day: date
    due: list[Due] = field(default_factory=list)
    sums: dict[tuple[int, Kind, date], _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    later: date | None = None
    kept: int = 0

    def next_due(self, today: date) -> date | None:
        """Return when the day has to be looked at again, None for never."""
        return today if self.due else self.later


def evaluate(session: Session, rules: Sequence[Rule], day: date, today: date) -> DayPlan:
    """Look at all jobs submitted on a day, a chunk of them at a time."""
    plan = DayPlan(day)
    for job in _candidates(session, day):
        _add(plan, rules, job, today)
    return plan


def find_candidates(session: Session, day: date, jobs: Sequence[int]) -> dict[int, Candidate]:
    """Return some jobs that were submitted on a day as they are now."""
    rows = session.execute(_THESE, {"day": day, "jobs": list(jobs)})
    return {row.id: _candidate(row) for row in rows}


def find_due(session: Session, today: date, after: date | None) -> date | None:
    """Return the first day, after `after` if that is given, of which something is due."""
    query = select(func.min(RetentionDay.day)).where(RetentionDay.next_due <= today)
    if after is not None:
        query = query.where(RetentionDay.day > after)
    return session.scalar(query)


def find_due_of(session: Session, first: date, end: date, today: date) -> list[date]:
    """Return the days from `first` to before `end` of which something is due."""
    query = select(RetentionDay.day).where(
        RetentionDay.day >= first, RetentionDay.day < end, RetentionDay.next_due <= today
    )
    return list(session.scalars(query.order_by(RetentionDay.day)))


def store(session: Session, plan: DayPlan, revision: int, today: date) -> None:
    """Keep what was counted, in place of what was known of the day before."""
    row = {
        "day": plan.day,
        "revision": revision,
        "next_due": plan.next_due(today),
        "kept": plan.kept,
    }
    stored = upsert(RetentionDay).values(row)
    session.execute(stored.on_conflict_do_update(index_elements=["day"], set_=row))
    session.execute(delete(RetentionTally).where(RetentionTally.day == plan.day))
    tallies = [
        {
            "day": plan.day,
            "policy_id": policy,
            "kind": kind,
            "due_on": due,
            "jobs": one.jobs,
            "bytes": one.bytes,
            "pinned": one.pinned,
        }
        for (policy, kind, due), one in plan.sums.items()
    ]
    if tallies:
        session.execute(insert(table_of(RetentionTally)), tallies)


def find_stale(session: Session, revision: int, today: date, limit: int) -> list[date]:
    """Return days that were not counted with the policies of `revision`, the oldest first."""
    values = {"last": today - SETTLED, "revision": revision, "limit": limit}
    return list(session.scalars(_STALE, values))


def count_stale(session: Session, revision: int, today: date) -> int:
    """Return how many days are not counted."""
    values = {"last": today - SETTLED, "revision": revision, "limit": None}
    return len(session.scalars(_STALE, values).all())


def _add(plan: DayPlan, rules: Sequence[Rule], job: Candidate, today: date) -> None:
    """Take a job into the counts, and into what is due."""
    rule = first_match(rules, job.subject) if job.subject else None
    if job.subject is None:
        plan.later = _earlier(plan.later, today + timedelta(days=1))
    removes_results = rule is not None and not rule.days.keys().isdisjoint(
        (Kind.RESULTS, Kind.JOBS)
    )
    if Kind.RESULTS in job.sizes and (job.is_pinned or not removes_results):
        plan.kept += 1
    if rule is None or job.subject is None:
        return
    _tally(plan, rule, job, job.subject.ended_at)
    if job.is_pinned:
        return
    for days in rule.days.values():
        moment = due_on(job.subject.ended_at, days)
        if moment > today:
            plan.later = _earlier(plan.later, moment)
    if job.is_wanted and Kind.JOBS in rule.days:
        plan.later = _earlier(plan.later, today + timedelta(days=1))
    kinds = due_kinds(rule, job.subject.ended_at, job.sizes, today)
    if kinds:
        plan.due.append(Due(job, rule, kinds))


def _tally(plan: DayPlan, rule: Rule, job: Candidate, ended_at: datetime) -> None:
    for kind, days in rule.days.items():
        if kind not in job.sizes:
            continue
        one = plan.sums[rule.id, kind, due_on(ended_at, days)]
        if job.is_pinned:
            one.pinned += 1
            continue
        one.jobs += 1
        one.bytes += job.sizes[kind]
        if kind is Kind.JOBS:
            # What has no age of its own goes with the job.
            one.bytes += sum(size for other, size in job.sizes.items() if other not in rule.days)


def _earlier(known: date | None, moment: date) -> date:
    return moment if known is None else min(known, moment)


def _candidates(session: Session, day: date) -> Iterator[Candidate]:
    begin = datetime.combine(day, time(), UTC)
    at, last = begin, 0
    while True:
        rows = session.execute(
            _CHUNK_OF_DAY,
            {"day": day, "end": begin + timedelta(days=1), "at": at, "last": last, "chunk": CHUNK},
        ).all()
        for row in rows:
            yield _candidate(row)
        if len(rows) < CHUNK:
            return
        at, last = rows[-1].submitted_at, rows[-1].id


def _candidate(row: Row[tuple[object, ...]]) -> Candidate:
    sizes = {kind: getattr(row, kind) for kind in Kind if getattr(row, kind) is not None}
    is_over = row.state == JobState.FINISHED and not row.is_held and row.ended_at
    subject = (
        Subject(
            device_type=row.device_type,
            outcome=Outcome(row.outcome),
            audience=row.audience_id,
            ended_at=row.ended_at,
        )
        if is_over
        else None
    )
    if row.is_wanted:
        del sizes[Kind.JOBS]
    return Candidate(
        id=row.id,
        subject=subject,
        is_pinned=row.is_pinned,
        is_wanted=row.is_wanted,
        sizes=sizes,
    )


_FACTS = """
, runs AS (
  SELECT run.job_id, sum(log.bytes) AS logs,
         sum(pg_column_size(plan.plan)) AS plans,
         sum(files.console) AS console, sum(files.other) AS artifacts,
         bool_or(run.state <> :ended OR (run.lost_at IS NOT NULL AND run.torn_down_at IS NULL))
           AS is_held
    FROM run JOIN one ON one.id = run.job_id
    LEFT JOIN run_log AS log ON log.run_id = run.id AND log.submitted_on = :day
    LEFT JOIN run_plan AS plan ON plan.run_id = run.id
    LEFT JOIN LATERAL (
      SELECT sum(bytes) FILTER (WHERE name LIKE :console) AS console,
             sum(bytes) FILTER (WHERE name NOT LIKE :console) AS other
        FROM artifact WHERE artifact.run_id = run.id
    ) AS files ON true
   GROUP BY run.job_id
), suites AS (
  SELECT suite.job_id,
         :case_bytes * sum(suite.passed + suite.failed + suite.skipped + suite.unknown) AS bytes
    FROM test_suite AS suite JOIN one ON one.id = suite.job_id
   WHERE suite.submitted_on = :day
   GROUP BY suite.job_id
)
SELECT one.id, one.state, one.outcome, one.device_type, one.audience_id, one.submitted_at,
       one.ended_at, pin.job_id IS NOT NULL AS is_pinned, coalesce(runs.is_held, false) AS is_held,
       EXISTS (SELECT FROM device WHERE device.health_job_id = one.id) AS is_wanted,
       runs.console::bigint AS console, runs.artifacts::bigint AS artifacts,
       runs.logs::bigint AS logs, runs.plans::bigint AS plans, suites.bytes::bigint AS results,
       :job_bytes + coalesce(pg_column_size(definition.definition), 0) AS jobs
  FROM one
  LEFT JOIN runs ON runs.job_id = one.id
  LEFT JOIN suites ON suites.job_id = one.id
  LEFT JOIN job_pin AS pin ON pin.job_id = one.id
  LEFT JOIN job_definition AS definition ON definition.job_id = one.id
 ORDER BY one.submitted_at, one.id
"""
_COLUMNS = "id, state, outcome, device_type, audience_id, submitted_at, ended_at"
_VALUES: tuple[BindParameter[Any], ...] = (
    bindparam("ended", RunState.ENDED.value),
    bindparam("console", CONSOLE_NAMES),
    bindparam("case_bytes", CASE_BYTES),
    bindparam("job_bytes", JOB_BYTES),
)
# A day's jobs lie together in the index by the moment of submission; all else is found by job or run.
_CHUNK_OF_DAY = text(
    f"WITH one AS (SELECT {_COLUMNS} FROM job"  # noqa: S608 - constants
    " WHERE submitted_at >= :at AND submitted_at < :end AND (submitted_at, id) > (:at, :last)"
    f" ORDER BY submitted_at, id LIMIT :chunk) {_FACTS}"
).bindparams(*_VALUES)
_THESE = text(
    f"WITH one AS (SELECT {_COLUMNS} FROM job"  # noqa: S608 - constants
    f" WHERE id = ANY (CAST(:jobs AS bigint[]))) {_FACTS}"
).bindparams(*_VALUES)
# From one day with jobs to the next, each found by one look into the index.
_STALE = text("""
WITH RECURSIVE every(day) AS (
  SELECT timezone('UTC', min(submitted_at))::date FROM job
  UNION ALL
  SELECT (SELECT timezone('UTC', min(submitted_at))::date FROM job
           WHERE submitted_at >= timezone('UTC', (every.day + 1)::timestamp))
    FROM every WHERE every.day IS NOT NULL
)
SELECT every.day
  FROM every LEFT JOIN retention_day AS known ON known.day = every.day
 WHERE every.day <= :last AND (known.day IS NULL OR known.revision <> :revision)
 ORDER BY every.day LIMIT :limit
""")
