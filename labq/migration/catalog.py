"""What the database has already, as the steps of a revision ask for it.

Where a revision is only written out as SQL, a reader may tell of a database (attribute `reader` of
Alembic's configuration); without one it is that of a labq with partitions and none of the new things.
"""

from __future__ import annotations

from typing import Any

from alembic import context, op
from sqlalchemy import Connection, text

from labq.migration.tables import ANY_PARTITION
from labq.migration.tables import is_partitioned as has_partitions


def is_partitioned(table: str) -> bool:
    """Tell whether a table has partitions."""
    connection = _reader()
    if connection is None:
        return has_partitions(table)
    query = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:table)"
    return bool(_ask(connection, query, table=table))


def is_partitioned_index(name: str) -> bool:
    """Tell whether an index is that of a table with partitions."""
    query = "SELECT relkind = 'I' FROM pg_class WHERE oid = to_regclass(:name)"
    return bool(_ask(_reader(), query, name=name))


def is_invalid(index: str) -> bool:
    """Tell whether an index was left half made."""
    query = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
    return bool(_ask(_reader(), query, name=index))


def is_not_null(table: str, column: str) -> bool:
    """Tell whether a column refuses NULL."""
    query = (
        "SELECT attnotnull FROM pg_attribute"
        " WHERE attrelid = to_regclass(:table) AND attname = :column"
    )
    return bool(_ask(_reader(), query, table=table, column=column))


def find_constraint(table: str, name: str) -> bool | None:
    """Return whether a constraint was checked on all rows, None when it is not there."""
    query = (
        "SELECT convalidated FROM pg_constraint"
        " WHERE conrelid = to_regclass(:table) AND conname = :name"
    )
    found: bool | None = _ask(_reader(), query, table=table, name=name)
    return found


def partitions_without(table: str, index: str) -> list[str]:
    """Return the partitions that have no part of the table's index yet."""
    connection = _reader()
    if connection is None:
        return [table + ANY_PARTITION]
    return list(connection.scalars(_WITHOUT, {"table": table, "name": index}))


def _reader() -> Connection | None:
    running = op.get_context()
    if not running.as_sql:
        return running.connection
    found: Connection | None = context.config.attributes.get("reader")
    return found


def _ask(connection: Connection | None, query: str, **values: str) -> Any:
    return None if connection is None else connection.scalar(text(query), values)


_WITHOUT = text("""
SELECT part.inhrelid::regclass::text
  FROM pg_inherits AS part
 WHERE part.inhparent = to_regclass(:table) AND NOT part.inhdetachpending AND NOT EXISTS (
   SELECT FROM pg_inherits AS below JOIN pg_index ON pg_index.indexrelid = below.inhrelid
    WHERE below.inhparent = to_regclass(:name) AND pg_index.indrelid = part.inhrelid
 )
 ORDER BY 1
""")
