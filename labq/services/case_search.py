"""Test cases of all jobs that a viewer sees, found by name or as failures, the newest jobs first.

What no index answers is refused: a search never reads a month to find nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, select, tuple_
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.services.paging import LARGEST_ID, Page, decode_name, encode_key
from labq.services.visibility import Viewer, visible_jobs

WINDOW = timedelta(days=14)
LIMIT = 25
WALK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases: of a name, or all that failed; of a suite's name; of jobs submitted since then."""

    name: str | None = None
    verdict: Verdict | None = None
    suite: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCase:
    """A case of some job's latest run."""

    id: int
    job: int
    device_type: str
    suite: str
    name: str
    verdict: Verdict
    submitted_on: date
    logged_at: datetime
    measurement: Decimal | None
    units: str


def find_page(
    session: Session,
    viewer: Viewer,
    wanted: CaseFilter,
    *,
    now: datetime,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[FoundCase]:
    """Return cases of the last WINDOW, or since the moment asked for.

    A page may have fewer than `limit` cases and still a `next`: WALK cases are looked at in one go.
    Raises InvalidInputError for a search that no index answers, and for a page key that is none.
    """
    _require_index(wanted)
    since = day_of(wanted.since or now - WINDOW)
    walked = _walk(wanted, since, after)
    newest = _newest(walked)
    query = _select(viewer, wanted, walked, since).order_by(*newest).limit(limit + 1)
    found = [FoundCase(**row._asdict()) for row in session.execute(query)]
    if len(found) > limit:
        last = found[limit - 1]
        return Page(tuple(found[:limit]), _encode(last.submitted_on, last.id))
    cut = select(walked.c.submitted_on, walked.c.id).order_by(*newest).offset(WALK - 1)
    end = session.execute(cut).one_or_none()
    return Page(tuple(found), _encode(*end) if end else None)


def _require_index(wanted: CaseFilter) -> None:
    if wanted.name is None and wanted.verdict is not Verdict.FAIL:
        message = "cases are searched by name, or as those that failed: nothing else is indexed"
        raise InvalidInputError([Problem("name", message)])


def _walk(wanted: CaseFilter, since: date, after: str | None) -> Subquery:
    """Return the cases that an index delivers, the newest first and WALK at most."""
    is_indexed = (
        TestCase.verdict == wanted.verdict if wanted.name is None else TestCase.name == wanted.name
    )
    query = select(
        TestCase.id,
        TestCase.suite_id,
        TestCase.name,
        TestCase.verdict,
        TestCase.submitted_on,
        TestCase.logged_at,
        TestCase.measurement,
        TestCase.units,
    ).where(is_indexed, TestCase.submitted_on >= since)
    if after is not None:
        query = query.where(tuple_(TestCase.submitted_on, TestCase.id) < tuple_(*_decode(after)))
    return (
        query.order_by(TestCase.submitted_on.desc(), TestCase.id.desc())
        .limit(WALK)
        .subquery("walked")
    )


def _newest(cases: Subquery) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return cases.c.submitted_on.desc(), cases.c.id.desc()


def _select(
    viewer: Viewer, wanted: CaseFilter, walked: Subquery, since: date
) -> Select[*tuple[Any, ...]]:
    case = walked.c
    query = (
        select(
            case.id,
            TestSuite.job_id.label("job"),
            Job.device_type,
            TestSuite.name.label("suite"),
            case.name,
            case.verdict,
            case.submitted_on,
            case.logged_at,
            case.measurement,
            case.units,
        )
        .join(
            TestSuite,
            (TestSuite.id == case.suite_id) & (TestSuite.submitted_on == case.submitted_on),
        )
        .join(Job, Job.id == TestSuite.job_id)
        .where(
            # Leaves out all partitions before.
            TestSuite.submitted_on >= since,
            Job.run_id.is_not_distinct_from(TestSuite.run_id),
            visible_jobs(viewer),
        )
    )
    for column, value in ((case.verdict, wanted.verdict), (TestSuite.name, wanted.suite)):
        if value is not None:
            query = query.where(column == value)
    return query


def _encode(day: date, number: int) -> str:
    return encode_key(f"{day}/{number}")


def _decode(key: str) -> tuple[date, int]:
    """Return the day and the number in a page key; raises InvalidInputError."""
    day, _, number = decode_name(key).partition("/")
    try:
        if number.isascii() and number.isdigit() and int(number) <= LARGEST_ID:
            return date.fromisoformat(day), int(number)
    except ValueError:
        pass
    raise InvalidInputError([Problem("after", "not a page key of this list")])
