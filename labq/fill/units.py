"""Units of a load: each a table or a partition, filled in one transaction; done or not begun."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from labq.fill.audit_rows import AUDIT
from labq.fill.book import Book
from labq.fill.copytext import stamp
from labq.fill.job_rows import DEFINITIONS, JOBS, LABELS
from labq.fill.lab_rows import PEOPLE, TYPES
from labq.fill.result_rows import CASES, SUITES
from labq.fill.run_rows import LOGS, PLANS, RESERVATIONS, RUNS, STEPS
from labq.fill.table import Table
from labq.models.partition import of_month

WHOLE = (DEFINITIONS, PLANS, LABELS, STEPS, JOBS, RUNS, RESERVATIONS, AUDIT)
PARTITIONED = (CASES, SUITES, LOGS)
LOADED = (*WHOLE, *PARTITIONED)
"""The tables that are large, the ones that take longest first."""
NAMED = (*PEOPLE, TYPES)
_LOGS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows of a range of jobs for one table or partition; without a table: the bytes of their logs."""

    table: Table | None
    into: str
    jobs: tuple[int, ...] | range


def units(book: Book, stored: frozenset[int]) -> Iterator[Unit]:
    """Yield what there is to load, the longest first."""
    every = range(len(book.story))
    months = list(_months(book))
    for table in WHOLE:
        yield Unit(table, table.name, every)
    for table in PARTITIONED:
        for month, jobs in months:
            yield Unit(table, of_month(table.name, month), jobs)
    logs = sorted(stored)
    for at in range(0, len(logs), _LOGS_AT_ONCE):
        yield Unit(None, "logs", tuple(logs[at : at + _LOGS_AT_ONCE]))


def _months(book: Book) -> Iterator[tuple[date, range]]:
    """Yield each month with the jobs that were submitted in it."""
    submitted = book.story.submitted
    month, last = stamp(submitted[0]).date().replace(day=1), stamp(submitted[-1]).date()
    begin = 0
    while month <= last:
        after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        border = int(datetime(after.year, after.month, 1, tzinfo=UTC).timestamp() * 1_000_000)
        end = bisect_left(submitted, border)
        yield month, range(begin, end)
        month, begin = after, end
