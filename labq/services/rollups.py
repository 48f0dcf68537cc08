"""Counts of jobs: rows that moves left behind are folded into them; built anew by a recount.

Moves are noted in `labq.services.tally`; pages read in `labq.services.counts`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2.errors
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Row,
    Select,
    Table,
    Text,
    cast,
    delete,
    extract,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from labq.domain.states import JobState
from labq.models.base import table_of
from labq.models.device import Device
from labq.models.job import Job
from labq.models.rollup import (
    BLOCK,
    EVERY_AUDIENCE,
    AudienceCount,
    BlockCount,
    CountDelta,
    DayCount,
    JobCount,
    QueueLength,
)

TABLES = (
    "count_delta",
    "queue_length",
    "job_count",
    "day_count",
    "audience_count",
    "block_count",
)
MOST_FOLDED = 5_000
MOST_DIFFERENCES = 100


@dataclass(frozen=True, slots=True)
class Folded:
    """How many rows were folded; some came from a labq that says nothing of audiences: `is_short`."""

    rows: int
    is_short: bool = False


def fold(session: Session) -> Folded:
    """Add up to MOST_FOLDED rows to the counts they belong to.

    The caller commits. While somebody else folds or recounts nothing is done.
    """
    try:
        with session.begin_nested():
            session.execute(text("LOCK TABLE day_count IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"))
    except OperationalError as error:
        if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
            raise
        return Folded(0)
    found = session.execute(_FOLD, {"most": MOST_FOLDED, "every": EVERY_AUDIENCE}).one()
    return Folded(found.rows, found.short > 0)


def recount(session: Session) -> None:
    """Build all counts anew from the jobs there are and the number of those that were deleted.

    The session must be new: what is counted is one snapshot, while jobs go on. The caller commits.
    """
    _fold_all(session)
    for table, counted in _COUNTED:
        gone = _gone(table)
        if gone:
            session.execute(delete(table).where(table.c.gone == 0))
            session.execute(update(table).values(gone))
        else:
            session.execute(delete(table))
        session.execute(_add(table, counted))


@dataclass(frozen=True, slots=True)
class Difference:
    """A row whose numbers are not those that counting gives; `excess` is by how much."""

    table: str
    key: str
    excess: Mapping[str, int]

    def describe(self) -> str:
        """Return it as one line."""
        told = ", ".join(f"{name} {number:+d}" for name, number in self.excess.items())
        return f"{self.table} of {self.key}: {told}"


def check(session: Session) -> list[Difference]:
    """Return up to MOST_DIFFERENCES rows that are wrong, of each table.

    The session must be new, and the caller rolls back.
    """
    _fold_all(session)
    return [
        Difference(table.name, row.key, _excess(table, row))
        for table, counted in _COUNTED
        for row in session.execute(_compare(table, counted))
    ]


def jobs_deleted(session: Session, jobs: Collection[int]) -> None:
    """Note that finished jobs are about to be deleted: they stay in the counts of what ended."""
    _note_gone(session, jobs, 1)


def jobs_restored(session: Session, jobs: Collection[int]) -> None:
    """Note that jobs which had been deleted are there again, as they were."""
    _note_gone(session, jobs, -1)


def _note_gone(session: Session, jobs: Collection[int], sign: int) -> None:
    facts = _FACTS.where(Job.id.in_(jobs)).subquery().c
    key = (
        *(facts.device_type, facts.day, facts.host, facts.device, facts.outcome),
        *(facts.error_type, facts.audience_id, facts.block),
    )
    counts = (func.count(), func.sum(facts.run_ms), func.sum(facts.wait_ms))
    names = [*(column.name for column in key), *_GONE_NAMES.values()]
    gone = select(*key, *(sign * count for count in counts)).group_by(*key)
    session.execute(insert(table_of(CountDelta)).from_select(names, gone))


def _fold_all(session: Session) -> None:
    """Fold every row that a new snapshot shows; the lock comes before the snapshot."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    session.execute(text("LOCK TABLE day_count IN SHARE UPDATE EXCLUSIVE MODE"))
    session.execute(_FOLD, {"most": None, "every": EVERY_AUDIENCE})


def _gone(table: Table) -> dict[str, ColumnElement[int]]:
    """Return the columns that tell of deleted jobs by those that they are part of."""
    return {name: table.c[gone] for name, gone in _GONE_NAMES.items() if gone in table.c}


def _add(table: Table, counted: Select[Any]) -> Insert:
    """Return the statement that adds what was counted to what is there."""
    source = counted.subquery()
    gone = _gone(table)
    names = [*source.c.keys(), *(_GONE_NAMES[name] for name in gone)]
    new = upsert(table).from_select(names, select(*source.c, *(literal(0) for _ in gone)))
    changed: dict[str, ColumnElement[Any]] = {
        name: table.c[name] + new.excluded[name] for name in _numbers(table)
    }
    if "last_ended_at" in table.c:
        last = func.greatest(table.c.last_ended_at, new.excluded.last_ended_at)
        changed["last_ended_at"] = last
    return new.on_conflict_do_update(index_elements=table.primary_key.columns, set_=changed)


def _compare(table: Table, counted: Select[Any]) -> Select[Any]:
    """Return the query for rows whose numbers, without deleted jobs, are not what was counted."""
    keys, numbers, gone = list(table.primary_key.columns.keys()), _numbers(table), _gone(table)
    kept = select(
        *(table.c[key] for key in keys),
        *(table.c[name] - gone.get(name, literal(0)) for name in numbers),
    )
    source = counted.subquery()
    less = select(*(source.c[key] for key in keys), *(-source.c[name] for name in numbers))
    both = union_all(kept, less).subquery().c
    sums = [func.sum(column) for column in both[len(keys) :]]
    rows = both[: len(keys)]
    return (
        select(
            func.concat_ws(" ", *rows).label("key"),
            *(
                cast(total, BigInteger).label(name)
                for total, name in zip(sums, numbers, strict=True)
            ),
        )
        .group_by(*rows)
        .having(or_(*(total != 0 for total in sums)))
        .limit(MOST_DIFFERENCES)
    )


def _excess(table: Table, row: Row[*tuple[Any, ...]]) -> dict[str, int]:
    values = row._asdict()
    return {name: values[name] for name in _numbers(table) if values[name]}


def _numbers(table: Table) -> list[str]:
    return [name for name in _NUMBERS if name in table.c]


_FOLD = text("""
WITH gone AS (
  DELETE FROM count_delta WHERE id IN (SELECT id FROM count_delta ORDER BY id LIMIT :most)
  RETURNING *
), lengths AS (
  INSERT INTO queue_length (device_type, waiting, active)
  SELECT device_type, sum(waiting), sum(active) FROM gone GROUP BY device_type
  HAVING sum(waiting) <> 0 OR sum(active) <> 0
  ON CONFLICT (device_type) DO UPDATE
    SET waiting = queue_length.waiting + EXCLUDED.waiting,
        active = queue_length.active + EXCLUDED.active
), finished AS (
  INSERT INTO job_count (subject, name, outcome, jobs, gone, last_ended_at)
  SELECT subject, name, outcome, sum(jobs), sum(gone), max(ended_at)
    FROM gone, LATERAL (VALUES ('device', device), ('device_type', device_type), ('host', host))
               AS subjects (subject, name)
   WHERE day IS NOT NULL AND name <> ''
   GROUP BY subject, name, outcome
  ON CONFLICT (subject, name, outcome) DO UPDATE
    SET jobs = job_count.jobs + EXCLUDED.jobs, gone = job_count.gone + EXCLUDED.gone,
        last_ended_at = greatest(job_count.last_ended_at, EXCLUDED.last_ended_at)
), days AS (
  INSERT INTO day_count (day, device_type, host, outcome, error_type, jobs, run_ms, wait_ms,
                         gone, gone_run_ms, gone_wait_ms)
  SELECT day, device_type, host, outcome, error_type, sum(jobs), sum(run_ms), sum(wait_ms),
         sum(gone), sum(gone_run_ms), sum(gone_wait_ms)
    FROM gone WHERE day IS NOT NULL
   GROUP BY day, device_type, host, outcome, error_type
  ON CONFLICT (day, device_type, host, outcome, error_type) DO UPDATE
    SET jobs = day_count.jobs + EXCLUDED.jobs,
        run_ms = day_count.run_ms + EXCLUDED.run_ms,
        wait_ms = day_count.wait_ms + EXCLUDED.wait_ms,
        gone = day_count.gone + EXCLUDED.gone,
        gone_run_ms = day_count.gone_run_ms + EXCLUDED.gone_run_ms,
        gone_wait_ms = day_count.gone_wait_ms + EXCLUDED.gone_wait_ms
), moved AS (
  SELECT shown.audience_id, device_type, block, moved.outcome, sum(moved.jobs) AS jobs
    FROM gone,
         LATERAL (VALUES ('', waiting + active), (outcome, jobs - gone.gone))
           AS moved (outcome, jobs),
         LATERAL (VALUES (audience_id), (:every)) AS shown (audience_id)
   WHERE gone.audience_id IS NOT NULL
   GROUP BY 1, 2, 3, 4
), audiences AS (
  INSERT INTO audience_count (audience_id, device_type, outcome, jobs)
  SELECT audience_id, device_type, outcome, sum(jobs) FROM moved
   GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0
  ON CONFLICT (audience_id, device_type, outcome)
  DO UPDATE SET jobs = audience_count.jobs + EXCLUDED.jobs
), blocks AS (
  INSERT INTO block_count (audience_id, block, outcome, jobs)
  SELECT audience_id, block, outcome, sum(jobs) FROM moved
   GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0
  ON CONFLICT (audience_id, block, outcome)
  DO UPDATE SET jobs = block_count.jobs + EXCLUDED.jobs
)
SELECT count(*) AS rows, count(*) FILTER (WHERE audience_id IS NULL) AS short FROM gone
""")


def _whole_ms(later: Any, earlier: Any) -> ColumnElement[int]:
    return cast(func.floor(extract("epoch", later - earlier) * 1000), BigInteger)


_NUMBERS = ("waiting", "active", "jobs", "run_ms", "wait_ms")
_GONE_NAMES = {"jobs": "gone", "run_ms": "gone_run_ms", "wait_ms": "gone_wait_ms"}
# What finished jobs add, as the database counts it; `tally.ended` says the same of one job.
_FACTS = (
    select(
        cast(func.timezone("UTC", Job.ended_at), Date).label("day"),
        Job.device_type,
        func.coalesce(Job.host, "").label("host"),
        func.coalesce(Device.name, "").label("device"),
        cast(Job.outcome, Text).label("outcome"),
        func.coalesce(cast(Job.error_type, Text), "").label("error_type"),
        _whole_ms(Job.ended_at, Job.started_at).label("run_ms"),
        _whole_ms(Job.started_at, Job.submitted_at).label("wait_ms"),
        Job.ended_at,
        Job.audience_id,
        (Job.id // literal(BLOCK, BigInteger)).label("block"),
    )
    .outerjoin(Device, Device.id == Job.device_id)
    .where(Job.outcome.is_not(None))
)
_FACT = _FACTS.cte("facts").c
_QUEUES_COUNTED = (
    select(
        Job.device_type,
        func.count().filter(Job.state == JobState.SUBMITTED).label("waiting"),
        func.count().filter(Job.state != JobState.SUBMITTED).label("active"),
    )
    .where(Job.state != JobState.FINISHED)
    .group_by(Job.device_type)
)


def _finished(subject: str, name: ColumnElement[str]) -> Select[Any]:
    return (
        select(
            literal(subject).label("subject"),
            name.label("name"),
            _FACT.outcome,
            func.count().label("jobs"),
            func.max(_FACT.ended_at).label("last_ended_at"),
        )
        .where(name != "")
        .group_by(name, _FACT.outcome)
    )


_FINISHED_COUNTED = union_all(
    _finished("device", _FACT.device),
    _finished("device_type", _FACT.device_type),
    _finished("host", _FACT.host),
)
_DAY_KEY = (_FACT.day, _FACT.device_type, _FACT.host, _FACT.outcome, _FACT.error_type)
_DAYS_COUNTED = select(
    *_DAY_KEY,
    func.count().label("jobs"),
    func.sum(_FACT.run_ms).label("run_ms"),
    func.sum(_FACT.wait_ms).label("wait_ms"),
).group_by(*_DAY_KEY)


def _shown(key: ColumnElement[Any]) -> CompoundSelect[Any]:
    """Return how many jobs there are by audience and more; an outcome is empty for none."""
    outcome = func.coalesce(cast(Job.outcome, Text), "").label("outcome")
    counted = (func.count().label("jobs"),)
    each = select(Job.audience_id, key, outcome, *counted).group_by(Job.audience_id, key, outcome)
    every = literal(EVERY_AUDIENCE, Integer).label("audience_id")
    return union_all(each, select(every, key, outcome, *counted).group_by(key, outcome))


_BLOCK = (Job.id // literal(BLOCK, BigInteger)).label("block")
_COUNTED: tuple[tuple[Table, Select[Any]], ...] = (
    (table_of(QueueLength), select(_QUEUES_COUNTED.subquery())),
    (table_of(JobCount), select(_FINISHED_COUNTED.subquery())),
    (table_of(DayCount), select(_DAYS_COUNTED.subquery())),
    (table_of(AudienceCount), select(_shown(Job.device_type.expression).subquery())),
    (table_of(BlockCount), select(_shown(_BLOCK).subquery())),
)
