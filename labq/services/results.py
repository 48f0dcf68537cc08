"""Results of test cases: stored once each, superseded when a run goes back.

Whoever calls holds the rows of the runs, or of jobs without one: nobody else writes their results.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from labq.domain.bounds import trimmed
from labq.domain.errors import ErrorType, Failure
from labq.domain.events import ResultReported
from labq.domain.verdicts import Verdict
from labq.models.base import table_of
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import SERVER_STEP, TestSuite
from labq.models.run import Run
from labq.services import columns, partitions
from labq.services.result_statements import (
    DELETE_CASES,
    DELETE_SUITES,
    FORGET_CASES,
    FORGET_SUITES,
    INSERT_CASES,
    SUPERSEDE,
)

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


def room_of(run: Run) -> int:
    """Return how many more results of a run are kept."""
    return MOST_RESULTS - run.results


def count(run: Run, reported: int) -> None:
    """Count further results of a run; when there are too many, note that as the run's error."""
    run.results += reported
    if run.results > MOST_RESULTS and run.error_type is None:
        run.error_type = ErrorType.TEST
        run.error_message = f"more than {MOST_RESULTS} results: the others are not kept"


def store(
    session: Session,
    reported: Sequence[tuple[Job, ResultReported]],
    own: Sequence[OwnResult] = (),
) -> None:
    """Store what a host reported, as (job, event), and what the server adds; twice is once."""
    if not reported and not own:
        return
    of_run = {event.run: job for job, event in reported}
    numbers = {run: job.id for run, job in of_run.items()}
    keys: list[_SuiteKey] = [(numbers[event.run], event.run, event.suite) for _, event in reported]
    keys += [(one.job.id, one.run, LAVA_SUITE) for one in own]
    jobs = {job.id: job for job in of_run.values()} | {one.job.id: one.job for one in own}
    days = {number: day_of(job.submitted_at) for number, job in jobs.items()}
    suites = _suites(session, set(keys), days)
    cases = [event for _, event in reported]
    cases += [_as_reported(one) for one in own]
    values = _columns(cases)
    values["suites"] = columns.of_numbers([suites[key] for key in keys])
    values["submitted"] = columns.of_numbers([days[job] for job, _, _ in keys])
    session.execute(INSERT_CASES, {**values, "days": sorted(set(days.values()))})


def supersede(session: Session, job: Job, run: int, step: int) -> None:
    """Delete the results of a run from `step` on: the run goes back and will report them anew."""
    days = [day_of(job.submitted_at)]
    session.execute(SUPERSEDE, {"job": job.id, "run": run, "step": step, "days": days})


def forget(session: Session, runs: Collection[tuple[Job, int]]) -> None:
    """Delete all results of runs, given as (job, run), that another run takes the place of."""
    if not runs:
        return
    values = {
        "jobs": [job.id for job, _ in runs],
        "days": [day_of(job.submitted_at) for job, _ in runs],
        "runs": [run for _, run in runs],
    }
    for statement in (FORGET_CASES, FORGET_SUITES):
        session.execute(statement, values)


def delete_of(session: Session, jobs: Collection[tuple[int, date]]) -> int:
    """Delete all results of jobs, given as (job, day of submission); return how many cases.

    The jobs' rows are locked by the caller, so that no results are added to them meanwhile.
    """
    if not jobs:
        return 0
    ids, days = zip(*jobs, strict=True)
    values = {"jobs": list(ids), "days": list(days)}
    cases = session.execute(DELETE_CASES, values)
    session.execute(DELETE_SUITES, values)
    return int(cases.scalar_one())


def _suites(
    session: Session, wanted: Collection[_SuiteKey], days: Mapping[int, date]
) -> dict[_SuiteKey, int]:
    """Return the ids of suites, made when new; the caller holds their runs' rows."""
    filed = sorted(set(days.values()))
    names = sorted({name for _, _, name in wanted})
    values = {"jobs": list(days), "names": names, "days": filed}
    rows = session.execute(_KNOWN_SUITES, values)
    found = {(job, run, name): suite for job, run, name, suite in rows}
    fresh = [
        {"job_id": job, "run_id": run, "name": name, "submitted_on": days[job]}
        for job, run, name in wanted
        if (job, run, name) not in found
    ]
    if fresh:
        # Where a suite is known there are the partitions, too.
        partitions.ensure(session.connection(), filed[0], filed[-1])
        made = session.execute(insert(table_of(TestSuite)).returning(*_SUITE_COLUMNS), fresh)
        found |= {(job, run, name): suite for job, run, name, suite in made}
    return found


_SuiteKey = tuple[int, int | None, str]
_SUITE_COLUMNS = (TestSuite.job_id, TestSuite.run_id, TestSuite.name, TestSuite.id)
_KNOWN_SUITES = select(*_SUITE_COLUMNS).where(
    TestSuite.job_id.in_(bindparam("jobs", expanding=True)),
    TestSuite.name.in_(bindparam("names", expanding=True)),
    TestSuite.submitted_on.in_(bindparam("days", expanding=True)),
)


def _columns(cases: Sequence[ResultReported]) -> dict[str, str]:
    """Return what is stored of cases, column by column."""
    return {
        "offsets": columns.of_numbers([case.offset for case in cases]),
        "seconds": columns.of_numbers([case.at.timestamp() for case in cases]),
        "epochs": columns.of_numbers([case.epoch for case in cases]),
        "lines": columns.of_numbers_or_nulls([_line(case) for case in cases]),
        "start_lines": columns.of_numbers_or_nulls([case.start_line for case in cases]),
        "end_lines": columns.of_numbers_or_nulls([case.end_line for case in cases]),
        "steps": columns.of_numbers([case.step for case in cases]),
        "verdicts": columns.of_texts([case.verdict for case in cases]),
        "channels": columns.of_texts([case.channel for case in cases]),
        "names": columns.of_texts([case.case for case in cases]),
        "units": columns.of_texts([case.units for case in cases]),
        "measurements": columns.of_numbers_or_nulls([case.measurement for case in cases]),
        "sets": columns.of_texts_or_nulls([case.test_set for case in cases]),
        "details": columns.of_texts_or_nulls([_json(case.details) for case in cases]),
    }


def _line(case: ResultReported) -> int | None:
    """Return the log line of a case; those of the server itself stand in none."""
    return None if case.step == SERVER_STEP else case.line


def _json(details: Mapping[str, object]) -> str | None:
    return json.dumps(trimmed(details)) if details else None


def _as_reported(own: OwnResult) -> ResultReported:
    return ResultReported(
        run=own.run or 0,
        epoch=own.epoch,
        step=SERVER_STEP,
        at=own.at,
        channel="",
        offset=0,
        line=0,
        suite=LAVA_SUITE,
        case=own.case,
        verdict=own.verdict,
        details=own.details,
    )
