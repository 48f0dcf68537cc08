"""What of a database is not as the models want it: what is missing, other, too much or half made."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SAWarning

from labq.models import TABLES
from labq.models.partition import PARTITIONED, is_partition, of_month
from labq.services import partitions

METADATA = TABLES[0].metadata


class Kind(StrEnum):
    """How a thing differs."""

    MISSING = "missing"
    OTHER = "other"
    EXTRA = "extra"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing that differs; `name` says which: `table job`, `column job.name`, `index ix_job_id`."""

    kind: Kind
    name: str
    detail: str = ""

    def describe(self) -> str:
        """Return it on one line."""
        return f"{self.kind}: {self.name}{f' ({self.detail})' if self.detail else ''}"


def find(connection: Connection, today: date) -> list[Drift]:
    """Return all that differs, in a stable order."""
    found = (
        *_compared(connection),
        *_checks(connection),
        *_broken(connection),
        *_partitions(connection, today),
    )
    return sorted(set(found), key=lambda one: (one.kind, one.name))


def _compared(connection: Connection) -> Iterator[Drift]:
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": _is_compared,
    }
    context = MigrationContext.configure(connection, opts=options)
    with warnings.catch_warnings():
        # SQLAlchemy's reflection stumbles over the mark of a check that is not validated.
        warnings.simplefilter("ignore", SAWarning)
        changes = compare_metadata(context, METADATA)
    for change in changes:
        if isinstance(change, list):
            yield from (_of_column(*one) for one in change)
        else:
            yield _of_thing(*change)


def _is_compared(name: str | None, kind: str, _parents: Mapping[str, str | None]) -> bool:
    """Leave partitions out: they are as the table is that they are part of."""
    return not (kind == "table" and name is not None and is_partition(name))


def _of_thing(operation: str, *items: Any) -> Drift:
    """Translate `add_x` (the models have it) and `remove_x` (the database has it)."""
    what, _, thing = operation.partition("_")
    kind = Kind.MISSING if what == "add" else Kind.EXTRA
    if thing == "column":
        return Drift(kind=kind, name=f"column {items[1]}.{items[2].name}")
    item = items[0]
    table = getattr(item, "table", None)
    place = "" if table is None or thing == "table" else f"of {table.name}"
    return Drift(kind=kind, name=f"{_WORDS.get(thing, thing)} {item.name}", detail=place)


_WORDS = {"fk": "foreign key", "constraint": "constraint"}


def _of_column(
    operation: str, _schema: str | None, table: str, column: str, _known: object, *values: object
) -> Drift:
    there, wanted = (getattr(value, "arg", value) for value in values)
    thing = operation.removeprefix("modify_")
    detail = f"{thing} is {_shown(there)}, should be {_shown(wanted)}"
    return Drift(kind=Kind.OTHER, name=f"column {table}.{column}", detail=detail)


def _shown(value: object) -> str:
    return "none" if value is None else " ".join(str(value).split())


def _checks(connection: Connection) -> Iterator[Drift]:
    """Compare checks by their names, which Alembic does not."""
    wanted = {name for table in METADATA.tables.values() for name in _checks_of(table)}
    rows = connection.execute(_CHECKS, {"tables": list(METADATA.tables)})
    there = {(row.table, row.name) for row in rows if not is_partition(row.table)}
    for kind, names in ((Kind.MISSING, wanted - there), (Kind.EXTRA, there - wanted)):
        for table, name in names:
            yield Drift(kind=kind, name=f"check {name}", detail=f"of {table}")


def _checks_of(table: Table) -> Iterator[tuple[str, str]]:
    prepare = postgresql.psycopg2.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy does not say
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            yield table.name, str(prepare.format_constraint(constraint)).strip('"')


def _broken(connection: Connection) -> Iterator[Drift]:
    for row in connection.execute(_BROKEN):
        yield Drift(kind=Kind.BROKEN, name=row.name, detail=row.detail)


def _partitions(connection: Connection, today: date) -> Iterator[Drift]:
    """Yield the partitions that are not made ahead."""
    there = {one.name for one in partitions.months(connection)}
    for month in _months_ahead(today):
        for table in PARTITIONED:
            name = of_month(table, month)
            if name not in there:
                yield Drift(kind=Kind.MISSING, name=f"partition {name}")


def _months_ahead(today: date) -> Iterable[date]:
    for ahead in range(partitions.AHEAD_MONTHS + 1):
        years, month = divmod(today.month - 1 + ahead, 12)
        yield date(today.year + years, month + 1, 1)


_CHECKS = text("""
SELECT relname AS table, conname AS name FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
 WHERE contype = 'c' AND relname = ANY (:tables)
   AND relnamespace = 'public'::regnamespace
""")
_BROKEN = text("""
SELECT 'index ' || indexrelid::regclass AS name, 'half made: not used' AS detail
  FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
 WHERE NOT (indisvalid AND indisready) AND relnamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS made
                    WHERE made.index_relid = indexrelid)
UNION ALL
SELECT 'constraint ' || conname, 'of ' || conrelid::regclass || ', not checked on all rows'
  FROM pg_constraint WHERE NOT convalidated AND connamespace = 'public'::regnamespace
UNION ALL
SELECT 'partition ' || inhrelid::regclass, 'half detached' FROM pg_inherits WHERE inhdetachpending
""")
