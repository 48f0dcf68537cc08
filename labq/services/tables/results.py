"""Suites and cases of a job's latest run, filtered and cut out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Text, func, select, type_coerce
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.verdicts import Verdict
from labq.models.result import TestCase, TestSuite
from labq.services.job_cases import CaseSuite
from labq.services.tables.lookups import (
    Fields,
    Relation,
    any_of,
    choice,
    conditions,
    decimal,
    moment,
    number,
    text,
)
from labq.services.tables.page import Asked, Found, Table, find_one, order
from labq.services.tables.page import find as find_rows

_SUITES: Fields = {"id": number(TestSuite.id), "name": text(TestSuite.name)}
_UNITS = text(TestCase.units)
CASES = Table(
    model=TestCase,
    columns=(
        TestCase.id,
        TestCase.suite_id,
        TestCase.name,
        TestCase.verdict,
        TestCase.measurement,
        TestCase.units,
        TestCase.test_set,
        TestCase.logged_at,
        TestCase.start_line,
        TestCase.end_line,
        TestCase.details,
    ),
    fields={
        "id": number(TestCase.id),
        "name": text(TestCase.name),
        "unit": _UNITS,
        "units": _UNITS,
        "result": choice(
            type_coerce(TestCase.verdict, Text),
            {verdict.value: verdict.value for verdict in Verdict},
            any_case=True,
        ),
        "measurement": decimal(TestCase.measurement),
        "logged": moment(TestCase.logged_at),
        "start_log_line": number(TestCase.start_line),
        "end_log_line": number(TestCase.end_line),
        "suite": Relation(
            number(TestSuite.id), lambda keys: any_of(TestCase.suite_id, keys), _SUITES
        ),
        "test_set": Relation(
            text(TestCase.test_set),
            lambda keys: any_of(TestCase.test_set, keys),
            {"name": text(TestCase.test_set)},
        ),
    },
    orders={
        "id": TestCase.id,
        "name": TestCase.name,
        "logged": TestCase.logged_at,
        "measurement": TestCase.measurement,
    },
    order=("id",),
)
SUITES = Table(
    model=TestSuite,
    columns=(TestSuite.id, TestSuite.name, TestSuite.job_id),
    fields=_SUITES,
    orders={"id": TestSuite.id, "name": TestSuite.name},
    order=("id",),
)


def find_suites(session: Session, suites: Sequence[CaseSuite], asked: Asked) -> Found:
    """Return a page of suites of one job; raises InvalidInputError for a filter's value."""
    if not suites:
        return Found(0, ())
    own = TestSuite.id.in_([suite.id for suite in suites])
    return find_rows(session, SUITES, asked, own, TestSuite.submitted_on == suites[0].day)


def find_cases(session: Session, suites: Sequence[CaseSuite], asked: Asked) -> Found:
    """Return a page of the cases of suites of one job; without filters none of them is counted."""
    if not suites:
        return Found(0, ())
    own = (
        TestCase.submitted_on == suites[0].day,
        TestCase.suite_id.in_([suite.id for suite in suites]),
    )
    wanted = [one.sql for one in conditions(session, CASES.fields, asked.filters)]
    query = select(*CASES.columns).where(*own, *wanted).order_by(*order(CASES, asked))
    rows = session.execute(query.limit(asked.rows).offset(asked.offset)).all()
    if not wanted:
        return Found(sum(suite.size() for suite in suites), rows)
    counted = select(func.count()).select_from(TestCase).where(*own, *wanted)
    return Found(session.scalars(counted).one(), rows)


def find_case(
    session: Session, suites: Sequence[CaseSuite], case: int
) -> Row[*tuple[Any, ...]] | None:
    """Return one case of suites of one job, None when it is none of them."""
    if not suites:
        return None
    return find_one(
        session,
        CASES,
        TestCase.id == case,
        TestCase.submitted_on == suites[0].day,
        TestCase.suite_id.in_([suite.id for suite in suites]),
    )


def require(suites: Sequence[CaseSuite], suite: int) -> CaseSuite:
    """Return the suite with a number; raises NotFoundError when it is none of these."""
    found = next((one for one in suites if one.id == suite), None)
    if found is None:
        raise NotFoundError(f"there is no suite {suite}")
    return found
