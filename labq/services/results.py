"""Results of test cases: stored once each, superseded when a run goes back.

Whoever calls holds the rows of the runs, or of jobs without one: nobody else writes their results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import bindparam, delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from labq.domain.bounds import trimmed
from labq.domain.errors import ErrorType, Failure
from labq.domain.events import ResultReported
from labq.domain.verdicts import Verdict
from labq.models.base import table_of
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import SERVER_STEP, TestCase, TestSuite
from labq.models.run import Run
from labq.services import partitions

LAVA_SUITE = "lava"
JOB_CASE = "job"
VALIDATE_CASE = "validate"
MOST_RESULTS = 100_000
"""Of one run, as reported; the job fails when there are more, and those are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnResult:
    """A case of the suite `lava` that the server itself writes for a job."""

    job: Job
    run: int | None
    epoch: int
    case: str
    verdict: Verdict
    at: datetime
    details: Mapping[str, object] = field(default_factory=dict)


def job_result(
    job: Job, run: int | None, epoch: int, *, failure: Failure | None, at: datetime
) -> OwnResult:
    """Return the case `lava/job`, which says how the job ended and which error explains it."""
    details: dict[str, object] = {"case": JOB_CASE, "definition": LAVA_SUITE}
    if failure:
        details |= {"error_type": failure.type.value, "error_msg": failure.message}
    return OwnResult(
        job=job,
        run=run,
        epoch=epoch,
        case=JOB_CASE,
        verdict=Verdict.FAIL if failure else Verdict.PASS,
        at=at,
        details=details,
    )


def validate_result(job: Job, run: int | None, failure: Failure, *, at: datetime) -> OwnResult:
    """Return the failed case `lava/validate` of a job that could not be run at all."""
    return OwnResult(
        job=job,
        run=run,
        epoch=0,
        case=VALIDATE_CASE,
        verdict=Verdict.FAIL,
        at=at,
        details={
            "case": VALIDATE_CASE,
            "definition": LAVA_SUITE,
            "error_type": failure.type.value,
            "error_msg": failure.message,
        },
    )


def has_room(run: Run) -> bool:
    """Count one more result of a run; when there are too many, note that as the run's error."""
    run.results += 1
    if run.results <= MOST_RESULTS:
        return True
    if run.error_type is None:
        run.error_type = ErrorType.TEST
        run.error_message = f"more than {MOST_RESULTS} results: the others are not kept"
    return False


def store(
    session: Session,
    reported: Sequence[tuple[Job, ResultReported]],
    own: Sequence[OwnResult] = (),
) -> None:
    """Store what a host reported, as (job, event), and what the server adds; twice is once."""
    if not reported and not own:
        return
    keys = [_SuiteKey.of(job, event.run, event.suite) for job, event in reported]
    own_keys = [_SuiteKey.of(one.job, one.run, LAVA_SUITE) for one in own]
    wanted = {*keys, *own_keys}
    days = [key.day for key in wanted]
    partitions.ensure(session.connection(), min(days), max(days))
    suites = _suites(session, wanted)
    rows = [
        {"suite_id": suites[key], "submitted_on": key.day, **_reported(event)}
        for key, (_, event) in zip(keys, reported, strict=True)
    ]
    rows += [
        {"suite_id": suites[key], "submitted_on": key.day, **_own(one)}
        for key, one in zip(own_keys, own, strict=True)
    ]
    stored = session.execute(_INSERT_CASES, rows)
    _count(session, Counter((suite, day, verdict) for suite, day, verdict in stored), 1)


def supersede(session: Session, job: Job, run: int, step: int) -> None:
    """Delete the results of a run from `step` on: the run goes back and will report them anew."""
    day = day_of(job.submitted_at)
    suites = select(TestSuite.id).where(
        TestSuite.job_id == job.id, TestSuite.run_id == run, TestSuite.submitted_on == day
    )
    gone = session.execute(
        delete(table_of(TestCase))
        .where(TestCase.submitted_on == day, TestCase.suite_id.in_(suites), TestCase.step >= step)
        .returning(TestCase.suite_id, TestCase.submitted_on, TestCase.verdict)
    )
    _count(session, Counter((suite, day, verdict) for suite, day, verdict in gone), -1)


def forget(session: Session, runs: Collection[tuple[Job, int]]) -> None:
    """Delete all results of runs, given as (job, run), that another run takes the place of."""
    if not runs:
        return
    values = {
        "jobs": [job.id for job, _ in runs],
        "days": [day_of(job.submitted_at) for job, _ in runs],
        "runs": [run for _, run in runs],
    }
    for statement in (_FORGET_CASES, _FORGET_SUITES):
        session.execute(statement, values)


def delete_of(session: Session, jobs: Collection[tuple[int, date]]) -> int:
    """Delete all results of jobs, given as (job, day of submission); return how many cases.

    The jobs' rows are locked by the caller, so that no results are added to them meanwhile.
    """
    if not jobs:
        return 0
    ids, days = zip(*jobs, strict=True)
    values = {"jobs": list(ids), "days": list(days)}
    cases = session.execute(_DELETE_CASES, values)
    session.execute(_DELETE_SUITES, values)
    return int(cases.scalar_one())


@dataclass(frozen=True, slots=True)
class _SuiteKey:
    """What names a suite, and the day that its rows are filed under."""

    job: int
    run: int | None
    name: str
    day: date

    @classmethod
    def of(cls, job: Job, run: int | None, name: str) -> _SuiteKey:
        return cls(job.id, run, name, day_of(job.submitted_at))


def _suites(session: Session, wanted: Collection[_SuiteKey]) -> dict[_SuiteKey, int]:
    """Return the ids of suites, made when new; the caller holds their runs' rows."""
    values = {
        "jobs": sorted({key.job for key in wanted}),
        "names": sorted({key.name for key in wanted}),
        "days": sorted({key.day for key in wanted}),
    }
    rows = session.execute(_KNOWN_SUITES, values)
    found = {_SuiteKey(job, run, name, day): suite for job, run, name, day, suite in rows}
    fresh = [
        {"job_id": key.job, "run_id": key.run, "name": key.name, "submitted_on": key.day}
        for key in wanted
        if key not in found
    ]
    if fresh:
        made = session.execute(insert(table_of(TestSuite)).returning(*_SUITE_COLUMNS), fresh)
        found |= {_SuiteKey(job, run, name, day): suite for job, run, name, day, suite in made}
    return found


def _count(session: Session, changed: Counter[tuple[int, date, Verdict]], sign: int) -> None:
    """Add to the numbers of suites what was stored of each verdict, or take off what was deleted."""
    if not changed:
        return
    suites = sorted({(suite, day) for suite, day, _ in changed})
    values: dict[str, object] = {
        verdict.value: [sign * changed[suite, day, verdict] for suite, day in suites]
        for verdict in Verdict
    }
    ids, days = zip(*suites, strict=True)
    session.execute(_COUNT, {**values, "suites": list(ids), "days": list(days)})


_INSERT_CASES = (
    insert_or_skip(table_of(TestCase))
    .on_conflict_do_nothing()
    .returning(TestCase.suite_id, TestCase.submitted_on, TestCase.verdict)
)
_SUITE_COLUMNS = (
    TestSuite.job_id,
    TestSuite.run_id,
    TestSuite.name,
    TestSuite.submitted_on,
    TestSuite.id,
)
_KNOWN_SUITES = select(*_SUITE_COLUMNS).where(
    TestSuite.job_id.in_(bindparam("jobs", expanding=True)),
    TestSuite.name.in_(bindparam("names", expanding=True)),
    TestSuite.submitted_on.in_(bindparam("days", expanding=True)),
)
_COUNT = text("""
UPDATE test_suite AS suite
   SET passed = suite.passed + changed.passed, failed = suite.failed + changed.failed,
       skipped = suite.skipped + changed.skipped, unknown = suite.unknown + changed.unknown
  FROM unnest(
    CAST(:suites AS bigint[]), CAST(:days AS date[]), CAST(:pass AS integer[]),
    CAST(:fail AS integer[]), CAST(:skip AS integer[]), CAST(:unknown AS integer[])
  ) AS changed(suite, day, passed, failed, skipped, unknown)
 WHERE suite.id = changed.suite AND suite.submitted_on = changed.day
""")
# The days stand as an array, too, so that no other partitions are looked at.
_OF_RUNS = """
  FROM test_suite AS suite
  JOIN unnest(CAST(:jobs AS bigint[]), CAST(:days AS date[]), CAST(:runs AS bigint[]))
    AS gone(job, day, run)
    ON gone.job = suite.job_id AND gone.day = suite.submitted_on AND gone.run = suite.run_id
 WHERE suite.submitted_on = ANY (CAST(:days AS date[]))
"""
_OF_JOBS = """
  FROM test_suite AS suite
  JOIN unnest(CAST(:jobs AS bigint[]), CAST(:days AS date[])) AS gone(job, day)
    ON gone.job = suite.job_id AND gone.day = suite.submitted_on
 WHERE suite.submitted_on = ANY (CAST(:days AS date[]))
"""
_CASES = """
WITH found AS (SELECT suite.id, suite.submitted_on {found}), gone AS (
  DELETE FROM test_case AS one USING found
   WHERE one.suite_id = found.id AND one.submitted_on = found.submitted_on
     AND one.submitted_on = ANY (CAST(:days AS date[]))
  RETURNING 1
) SELECT count(*) FROM gone
"""
_SUITES = """
WITH found AS (SELECT suite.id, suite.submitted_on {found})
DELETE FROM test_suite AS one USING found
 WHERE one.id = found.id AND one.submitted_on = found.submitted_on
   AND one.submitted_on = ANY (CAST(:days AS date[]))
"""
_FORGET_CASES, _FORGET_SUITES = (text(one.format(found=_OF_RUNS)) for one in (_CASES, _SUITES))
_DELETE_CASES, _DELETE_SUITES = (text(one.format(found=_OF_JOBS)) for one in (_CASES, _SUITES))


def _reported(event: ResultReported) -> dict[str, object]:
    return {
        "epoch": event.epoch,
        "step": event.step,
        "channel": event.channel,
        "offset": event.offset,
        "name": event.case,
        "verdict": event.verdict,
        "measurement": event.measurement,
        "units": event.units,
        "test_set": event.test_set,
        "logged_at": event.at,
        "line": event.line,
        "start_line": event.start_line,
        "end_line": event.end_line,
        "details": trimmed(event.details),
    }


def _own(own: OwnResult) -> dict[str, object]:
    return {
        "epoch": own.epoch,
        "step": SERVER_STEP,
        "channel": "",
        "offset": 0,
        "name": own.case,
        "verdict": own.verdict,
        "measurement": None,
        "units": "",
        "test_set": None,
        "logged_at": own.at,
        "line": None,
        "start_line": None,
        "end_line": None,
        "details": dict(own.details),
    }
