"""Which tables have one partition a month, and how partitions are called."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from sqlalchemy import Date, cast, func
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

PARTITIONED = ("test_suite", "test_case", "run_log")
"""By the UTC day on which the job was submitted, so that all rows of a job are in one partition."""
PARTITIONING = "RANGE (submitted_on)"
_PARTITION = re.compile(rf"({'|'.join(PARTITIONED)})_([0-9]{{4}})_([0-9]{{2}})")


def is_partition(table: str) -> bool:
    """Tell whether a table of this name is a partition of one of the tables above."""
    return _PARTITION.fullmatch(table) is not None


def of_month(table: str, month: date) -> str:
    """Return the name of the partition in which a day's rows are, `test_case_2026_11`."""
    return f"{table}_{month.year:04}_{month.month:02}"


def month_of(partition: str) -> date | None:
    """Return the first day of a partition's month, None for other tables."""
    found = _PARTITION.fullmatch(partition)
    return date(int(found[2]), int(found[3]), 1) if found else None


def day_of(submitted_at: datetime) -> date:
    """Return `submitted_on` of a job that was submitted then."""
    return submitted_at.astimezone(UTC).date()


def submitted_day(
    submitted_at: InstrumentedAttribute[datetime] | ColumnElement[datetime],
) -> ColumnElement[date]:
    """Return the same as an expression of SQL."""
    return cast(func.timezone("UTC", submitted_at), Date)
