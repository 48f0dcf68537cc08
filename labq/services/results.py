"""Results of test cases: stored once each, superseded when a run goes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from labq.domain.bounds import trimmed
from labq.domain.errors import ErrorType, Failure
from labq.domain.events import ResultReported
from labq.domain.verdicts import Verdict
from labq.models.base import table_of
from labq.models.result import SERVER_STEP, TestCase, TestSuite
from labq.models.run import Run

LAVA_SUITE = "lava"
JOB_CASE = "job"
VALIDATE_CASE = "validate"
MOST_RESULTS = 100_000
"""Of one run, as reported; the job fails when there are more, and those are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnResult:
    """A case of the suite `lava` that the server itself writes for a job."""

    job: int
    run: int | None
    epoch: int
    case: str
    verdict: Verdict
    at: datetime
    details: Mapping[str, object] = field(default_factory=dict)


def job_result(
    job: int, run: int | None, epoch: int, *, failure: Failure | None, at: datetime
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


def validate_result(job: int, run: int | None, failure: Failure, *, at: datetime) -> OwnResult:
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
    reported: Sequence[tuple[int, ResultReported]],
    own: Sequence[OwnResult] = (),
) -> None:
    """Store what a host reported, as (job, event), and what the server adds; twice is once."""
    if not reported and not own:
        return
    wanted = {(job, event.run, event.suite) for job, event in reported}
    suites = _suites(session, wanted | {(one.job, one.run, LAVA_SUITE) for one in own})
    rows = [_reported(suites[job, event.run, event.suite], event) for job, event in reported]
    rows += [_own(suites[one.job, one.run, LAVA_SUITE], one) for one in own]
    session.execute(_INSERT_CASES, rows)


def supersede(session: Session, run: int, step: int) -> None:
    """Delete the results of a run from `step` on: the run goes back and will report them anew."""
    suites = select(TestSuite.id).where(TestSuite.run_id == run)
    session.execute(
        delete(TestCase)
        .where(TestCase.suite_id.in_(suites), TestCase.step >= step)
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, runs: Collection[int]) -> None:
    """Delete all results of runs that another run of their job takes the place of."""
    if runs:
        session.execute(
            delete(TestSuite)
            .where(TestSuite.run_id.in_(runs))
            .execution_options(synchronize_session=False)
        )


_INSERT_CASES = insert_or_skip(table_of(TestCase)).on_conflict_do_nothing()
_SUITE_COLUMNS = (TestSuite.job_id, TestSuite.run_id, TestSuite.name, TestSuite.id)
_KNOWN_SUITES = select(*_SUITE_COLUMNS).where(
    TestSuite.job_id.in_(bindparam("jobs", expanding=True)),
    TestSuite.name.in_(bindparam("names", expanding=True)),
)
_SuiteKey = tuple[int, int | None, str]


def _suites(session: Session, wanted: Collection[_SuiteKey]) -> dict[_SuiteKey, int]:
    """Return the ids of suites, made when new; the caller holds their runs' rows."""
    values = {
        "jobs": sorted({job for job, _, _ in wanted}),
        "names": sorted({name for _, _, name in wanted}),
    }
    rows = session.execute(_KNOWN_SUITES, values)
    found = {(job, run, name): key for job, run, name, key in rows}
    fresh = [
        {"job_id": job, "run_id": run, "name": name}
        for job, run, name in wanted
        if (job, run, name) not in found
    ]
    if fresh:
        made = session.execute(insert(TestSuite).returning(*_SUITE_COLUMNS), fresh)
        found |= {(job, run, name): key for job, run, name, key in made}
    return found


def _reported(suite: int, event: ResultReported) -> dict[str, object]:
    return {
        "suite_id": suite,
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


def _own(suite: int, own: OwnResult) -> dict[str, object]:
    return {
        "suite_id": suite,
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
