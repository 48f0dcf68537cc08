"""The cases of a job's latest run: suite by suite in the order of their places, read part by part.

Never more than CHUNK of them are in memory, and what a part costs does not depend on how many come
before it: parts go by the unique index of `test_case`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.services.export import ExportedCase
from labq.services.visibility import Viewer, visible_jobs

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class CaseSuite:
    """A suite of a job's latest run, filed under a day, with the number of its cases by verdict."""

    id: int
    name: str
    day: date
    counts: Mapping[Verdict, int]

    def size(self, verdict: Verdict | None = None) -> int:
        """Return how many cases there are, of one verdict or of all."""
        return sum(self.counts.values()) if verdict is None else self.counts[verdict]


@dataclass(frozen=True, slots=True)
class CaseAddress:
    """Whose case it is: the job and the name of its suite."""

    job: int
    suite: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case stands: in which suite, and after which others."""

    suite: int
    key: tuple[object, ...]


def find_suites(session: Session, job: int, name: str | None = None) -> list[CaseSuite]:
    """Return the suites of a job's latest run in order, or the one of that name; none for no job."""
    found = session.execute(select(Job.run_id, Job.submitted_at).where(Job.id == job)).one_or_none()
    if found is None:
        return []
    day = day_of(found.submitted_at)
    query = select(TestSuite).where(
        TestSuite.job_id == job,
        TestSuite.run_id.is_not_distinct_from(found.run_id),
        TestSuite.submitted_on == day,
    )
    if name is not None:
        query = query.where(TestSuite.name == name)
    return [
        CaseSuite(suite.id, suite.name, day, _counts(suite))
        for suite in session.scalars(query.order_by(TestSuite.id))
    ]


def read(
    session: Session,
    job: int,
    suites: Sequence[CaseSuite],
    *,
    verdict: Verdict | None = None,
    after: Place | None = None,
) -> Iterator[ExportedCase]:
    """Yield the cases of suites, those of one verdict or all, from behind a place on."""
    rest = [suite for suite in suites if after is None or suite.id >= after.suite]
    for group in _grouped(rest, verdict):
        start = after.key if after and after.suite == group[0].id else None
        for row in _rows(session, group, verdict, start):
            names = {suite.id: suite.name for suite in group}
            yield _exported(job, names, row)


def find_named(session: Session, job: int, suite: CaseSuite, name: str) -> list[ExportedCase]:
    """Return the cases of one name in a suite, CHUNK of them at most."""
    query = _select([suite], None).where(TestCase.name == name)
    rows = session.execute(query.order_by(*_KEY).limit(CHUNK))
    return [_exported(job, {suite.id: suite.name}, row) for row in rows]


def find_address(session: Session, viewer: Viewer, case: int) -> CaseAddress | None:
    """Return whose case it is that has this number, None when the viewer sees none."""
    query = (
        select(TestSuite.job_id, TestSuite.name)
        .join(
            TestCase,
            (TestCase.suite_id == TestSuite.id) & (TestCase.submitted_on == TestSuite.submitted_on),
        )
        .join(Job, Job.id == TestSuite.job_id)
        .where(TestCase.id == case, visible_jobs(viewer))
    )
    row = session.execute(query).one_or_none()
    return None if row is None else CaseAddress(row.job_id, row.name)


def find_place(session: Session, suites: Sequence[CaseSuite], case: int) -> Place | None:
    """Return where a case of these suites stands, None when it is none of them."""
    if not suites:
        return None
    found = session.execute(
        select(TestCase.suite_id, *_KEY).where(
            TestCase.id == case,
            TestCase.submitted_on == suites[0].day,
            TestCase.suite_id.in_([suite.id for suite in suites]),
        )
    ).one_or_none()
    return None if found is None else Place(found[0], tuple(found[1:]))


def _counts(suite: TestSuite) -> dict[Verdict, int]:
    return {
        Verdict.PASS: suite.passed,
        Verdict.FAIL: suite.failed,
        Verdict.SKIP: suite.skipped,
        Verdict.UNKNOWN: suite.unknown,
    }


def _grouped(suites: Iterable[CaseSuite], verdict: Verdict | None) -> Iterator[list[CaseSuite]]:
    """Put small suites that follow each other together, so that many of them are one query."""
    group: list[CaseSuite] = []
    size = 0
    for suite in suites:
        found = suite.size(verdict)
        if group and size + found > CHUNK:
            yield group
            group, size = [], 0
        if found:
            group.append(suite)
            size += found
    if group:
        yield group


def _rows(
    session: Session,
    group: Sequence[CaseSuite],
    verdict: Verdict | None,
    start: tuple[object, ...] | None,
) -> Iterator[Any]:
    """Yield the rows of a group: all in one query, or those of one large suite in several."""
    if len(group) > 1:
        first, *others = group
        if start:
            yield from _rows(session, [first], verdict, start)
        query = _select(others if start else group, verdict)
        yield from session.execute(query.order_by(TestCase.suite_id, *_KEY))
        return
    while True:
        query = _select(group, verdict)
        if start:
            query = query.where(tuple_(*_KEY) > tuple_(*start))
        rows = session.execute(query.order_by(*_KEY).limit(CHUNK)).all()
        yield from rows
        if len(rows) < CHUNK:
            return
        start = tuple(getattr(rows[-1], column.key) for column in _KEY)


def _select(group: Sequence[CaseSuite], verdict: Verdict | None) -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS).where(TestCase.submitted_on == group[0].day)
    numbers = [suite.id for suite in group]
    query = query.where(
        TestCase.suite_id.in_(numbers) if len(numbers) > 1 else TestCase.suite_id == numbers[0]
    )
    return query if verdict is None else query.where(TestCase.verdict == verdict)


def _exported(job: int, names: Mapping[int, str], row: Any) -> ExportedCase:
    return ExportedCase(
        id=row.id,
        job=job,
        suite=names[row.suite_id],
        name=row.name,
        verdict=row.verdict,
        logged_at=row.logged_at,
        measurement=row.measurement,
        units=row.units,
        test_set=row.test_set,
        line=row.line,
        start_line=row.start_line,
        end_line=row.end_line,
        details=row.details,
    )


_KEY = (TestCase.offset, TestCase.step, TestCase.channel, TestCase.name, TestCase.epoch)
_COLUMNS = (
    TestCase.id,
    TestCase.suite_id,
    *_KEY,
    TestCase.verdict,
    TestCase.logged_at,
    TestCase.measurement,
    TestCase.units,
    TestCase.test_set,
    TestCase.line,
    TestCase.start_line,
    TestCase.end_line,
    TestCase.details,
)
