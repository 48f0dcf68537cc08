"""Steps of a revision that changes a big table while everybody uses it.

Each is committed by itself, holds strong locks for an instant only, and finds out what is done already: a
revision that was killed at any place is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from labq.domain.errors import ConflictError
from labq.migration import catalog
from labq.migration.backfills import find_backfill
from labq.migration.locks import BRIEF_MS, LONG_MS, insist

LONGEST_NAME = 63
"""PostgreSQL cuts longer names off without a word."""


def create_table(name: str, *items: sa.schema.SchemaItem) -> None:
    """Make a table; its indexes are made by `create_index`."""
    _refuse_extras(item for item in items if isinstance(item, sa.Column))

    def create() -> None:
        op.create_table(name, *items, if_not_exists=True)

    _change(name, create)


def drop_table(name: str) -> None:
    """Take a table away that no labq uses any more."""
    run(f"DROP TABLE IF EXISTS {name}", table=name)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column that is nullable or has a constant default: nothing is written but the catalog."""
    _refuse_extras([column])
    _change(table, lambda: op.add_column(table, column, if_not_exists=True))


def drop_column(table: str, column: str) -> None:
    """Take a column away that no labq uses any more."""
    run(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column}", table=table)


def set_not_null(table: str, column: str) -> None:
    """Refuse NULL in a column, having looked at all rows without a strong lock."""
    name = f"ck_{table}_{column}_not_null"
    if not catalog.is_not_null(table, column):
        add_check(name, table, f"{column} IS NOT NULL")
        run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL", table=table)
    drop_constraint(name, table)


def create_index(
    name: str,
    table: str,
    *columns: str,
    unique: bool = False,
    using: str = "",
    include: Sequence[str] = (),
    where: str = "",
) -> None:
    """Make an index while everybody writes; `columns` are as in SQL (`id DESC`, `lower(name)`).

    One that was left half made is made anew. On a table with partitions each gets its own, then
    they become one.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    rest = f"{f' USING {using}' if using else ''} ({', '.join(columns)})"
    rest += f" INCLUDE ({', '.join(include)})" if include else ""
    rest += f" WHERE {where}" if where else ""
    if not catalog.is_partitioned(table):
        _build(kind, name, table, rest)
        return
    run(f"CREATE {kind} IF NOT EXISTS {_named(name)} ON ONLY {table}{rest}", table=table)
    while missing := catalog.partitions_without(table, name):
        for partition in missing:
            part = name + partition.removeprefix(table)
            _build(kind, part, partition, rest)
            run(f"ALTER INDEX {name} ATTACH PARTITION {part}", table=partition)
        if op.get_context().as_sql:
            return


def drop_index(name: str) -> None:
    """Take an index away while everybody uses its table."""
    if catalog.is_partitioned_index(name):
        run(f"DROP INDEX IF EXISTS {name}")
    else:
        run(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", lock_ms=LONG_MS)


def add_check(name: str, table: str, condition: str) -> None:
    """Add a check that new rows obey at once, then look at the old ones without a strong lock."""
    _add_validated(name, table, f"CHECK ({condition})")


def add_foreign_key(
    name: str, table: str, columns: Sequence[str], target: str, *, ondelete: str = "NO ACTION"
) -> None:
    """Add a foreign key to `target`, as in SQL: `host (name)`.

    PostgreSQL has no way to do so to a table with partitions without stopping its writers.
    """
    if catalog.is_partitioned(table):
        raise ConflictError(
            f"{name}: a foreign key of {table}, which has partitions, stops writers"
        )
    key = f"FOREIGN KEY ({', '.join(columns)}) REFERENCES {target} ON DELETE {ondelete}"
    _add_validated(name, table, key)


def add_unique(name: str, table: str, *columns: str) -> None:
    """Add a unique constraint whose index was made while everybody wrote."""
    create_index(name, table, *columns, unique=True)
    if catalog.find_constraint(table, name) is None:
        run(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", table=table)


def drop_constraint(name: str, table: str) -> None:
    """Take a constraint away."""
    run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}", table=table)


def backfill(name: str) -> None:
    """Begin a back-fill of BACKFILLS: tasks of the core queue carry it out from now on."""
    table = find_backfill(name).table
    run(
        "INSERT INTO backfill (name, total) SELECT"  # noqa: S608 - names of labq's own tables
        f" '{name}', coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class"
        f" WHERE oid IN (SELECT relid FROM pg_partition_tree('{table}') WHERE isleaf)"
        " ON CONFLICT (name) DO NOTHING"
    )


def forget_backfill(name: str) -> None:
    """Take the row of a back-fill away: on the way down, or once nothing speaks of it any more."""
    run(f"DELETE FROM backfill WHERE name = '{name}'")  # noqa: S608 - a name of labq's own


def run(statement: str, *, table: str = "", lock_ms: int = BRIEF_MS) -> None:
    """Run one statement in a transaction of its own; it must do no harm when it is run again."""
    _change(table, lambda: op.execute(statement), lock_ms)


def _build(kind: str, name: str, table: str, rest: str) -> None:
    """Make an index of a table without partitions, having removed what a killed one left."""
    if catalog.is_invalid(name):
        run(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", lock_ms=LONG_MS)
    statement = f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {_named(name)} ON {table}{rest}"
    run(statement, table=table, lock_ms=LONG_MS)


def _add_validated(name: str, table: str, constraint: str) -> None:
    found = catalog.find_constraint(table, name)
    if found is None:
        added = f"ALTER TABLE {table} ADD CONSTRAINT {_named(name)} {constraint} NOT VALID"
        run(added, table=table)
    if not found:
        validated = f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
        run(validated, table=table, lock_ms=LONG_MS)


def _change(table: str, act: Callable[[], None], lock_ms: int = BRIEF_MS) -> None:
    """Do it outside of the revision's transaction, as often as a lock is missing."""
    context = op.get_context()
    with context.autocommit_block():
        op.execute(f"SET lock_timeout = {lock_ms}")
        if context.connection is None:
            act()
        else:
            insist(context.connection, act, table)


def _named(name: str) -> str:
    if len(name.encode()) > LONGEST_NAME:
        raise ConflictError(f"{name} is longer than the {LONGEST_NAME} bytes that a name may have")
    return name


def _refuse_extras(columns: Iterable[sa.Column[Any]]) -> None:
    """Refuse what would be statements of their own, which a killed revision may have done or not."""
    for column in columns:
        if column.index or column.unique:
            raise ConflictError(f"column {column.name}: its index is a step of its own")
