"""Partitions of results and logs, one a month: made before they are needed, dropped in no time.

No statement here takes a lock that reading or writing of other months waits for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from labq.domain.errors import ConflictError, NotFoundError
from labq.models.partition import PARTITIONED, month_of, of_month

AHEAD_MONTHS = 2
"""After the present one; its own month is made too by who stores the first result of a job."""
ADVISORY_LOCK = 5_722_901_312
LOCK_TIMEOUT_MS = 500
ATTEMPTS = 20
PAUSE_SECONDS = 0.5
LOCK_NOT_AVAILABLE = "55P03"
# Rows of these tables are changed after they were written: room for that is left beside them.
_FILL = {"test_suite": 80, "test_case": 100, "run_log": 80}


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of `table`; `rows` is the database's estimate, `bytes` with indexes."""

    table: str
    month: date
    rows: int
    bytes: int

    @property
    def name(self) -> str:
        """Return its own name."""
        return of_month(self.table, self.month)


def ensure(connection: Connection, first: date, last: date) -> list[str]:
    """Make what is missing for jobs submitted from `first` to `last`, in the caller's transaction.

    Returns the names of what was made.
    """
    wanted = [(table, month) for month in _months(first, last) for table in PARTITIONED]
    if not _missing(connection, wanted):
        return []
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    missing = _missing(connection, wanted)
    for table, month in missing:
        _make(connection, table, month)
    return [of_month(table, month) for table, month in missing]


def ensure_ahead(connection: Connection, today: date) -> list[str]:
    """Make what is missing for jobs submitted from today's month on to AHEAD_MONTHS later."""
    last = today
    for _ in range(AHEAD_MONTHS):
        last = _following(last)
    return ensure(connection, today, last)


def months(connection: Connection) -> list[Partition]:
    """Return all partitions, the oldest first."""
    rows = connection.execute(_PARTITIONS, {"tables": list(PARTITIONED)})
    found = [
        Partition(table, month, max(0, int(estimate)), size)
        for table, name, estimate, size in rows
        if (month := month_of(name))
    ]
    return sorted(found, key=lambda one: (one.month, one.table))


def drop_month(connection: Connection, table: str, month: date) -> None:
    """Drop the rows of `table` of all jobs submitted in a month, for ever.

    The connection must not be in a transaction and commits each statement from now on: first the partition is detached, which waits for
    those who read it now and keeps nobody waiting, then it is dropped. Called again it goes on
    where it was interrupted. Raises NotFoundError, ConflictError when readers do not end in time.
    """
    if table not in PARTITIONED:
        raise NotFoundError(f"{table} has no partitions")
    name = of_month(table, month)
    commands = connection.execution_options(isolation_level="AUTOCOMMIT")
    commands.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    try:
        _patiently(commands, table, name)
    finally:
        commands.execute(text("RESET lock_timeout"))
        commands.commit()


def _patiently(connection: Connection, table: str, name: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if _drop(connection, table, name) or attempt > 1:
                return
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
        else:
            raise NotFoundError(f"there is no partition {name}")
        time.sleep(PAUSE_SECONDS)
    raise ConflictError(f"{name} is being read all the time: try again later")


def _drop(connection: Connection, table: str, name: str) -> bool:
    """Do what is left to do; return whether there was anything."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
        return False
    pending = connection.scalar(_IS_PENDING, {"name": name})
    if pending is not None:
        how = "FINALIZE" if pending else "CONCURRENTLY"
        connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {name} {how}"))
    connection.execute(text(f"DROP TABLE {name}"))
    return True


def _missing(connection: Connection, wanted: list[tuple[str, date]]) -> list[tuple[str, date]]:
    names = [of_month(table, month) for table, month in wanted]
    present = set(connection.scalars(_PRESENT, {"names": names}))
    return [one for one, name in zip(wanted, names, strict=True) if name not in present]


def _make(connection: Connection, table: str, month: date) -> None:
    """Make a table and attach it: to create it as a partition at once would lock the whole table."""
    name = of_month(table, month)
    connection.execute(
        text(
            f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            f" WITH (fillfactor = {_FILL[table]})"
        )
    )
    connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{month}') TO ('{_following(month)}')"
        )
    )


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = _following(month)


def _following(month: date) -> date:
    """Return the first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


# Read from the table: what a session remembers of names may be older than the lock it waited for.
_PRESENT = text(
    "SELECT relname FROM pg_class"
    " WHERE relname = ANY (CAST(:names AS text[])) AND pg_table_is_visible(oid)"
)
_IS_PENDING = text("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(:name)")
_PARTITIONS = text("""
SELECT inhparent::regclass::text, child.relname, child.reltuples, pg_total_relation_size(child.oid)
  FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
 WHERE inhparent = ANY (CAST(CAST(:tables AS text[]) AS regclass[]))
""")
