"""Constraints and indexes that are made after the load: taken away before it, put back after.

What was taken away stands in the database itself, so that whoever comes after a fill that was
killed puts it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name

from labq.services.fill_marker import SCHEMA


@dataclass(frozen=True, slots=True)
class Shelved:
    """Statements that put back what belongs to one table; those of `wave` 0 come first."""

    wave: int
    table: str
    positions: tuple[int, ...]
    statements: tuple[str, ...]


def make(connection: Connection) -> None:
    """Make the place for what is taken away."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {SCHEMA}.shelved (position bigint GENERATED ALWAYS AS IDENTITY,"
            " wave int NOT NULL, relation text NOT NULL, statement text NOT NULL)"
        )


def take_away(connection: Connection, tables: Collection[str]) -> None:
    """Take from these tables what slows a load down; the keys of partitioned ones stay.

    Rows come in the order of those keys, which are then as quick to keep as to make.
    """
    names = {"tables": list(tables)}
    with connection.cursor() as cursor:
        for select in (_FOREIGN_KEYS, _KEYS, _INDEXES):
            cursor.execute(select, names)
            for wave, relation, drop, statement in cursor.fetchall():
                cursor.execute(
                    f"INSERT INTO {SCHEMA}.shelved (wave, relation, statement)"  # noqa: S608 - our own name
                    " VALUES (%s, %s, %s)",
                    (wave, relation, statement),
                )
                cursor.execute(drop)


def find(connection: Connection) -> list[Shelved]:
    """Return what is to be put back, by wave and table."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND)
        rows = cursor.fetchall()
    return [Shelved(wave, table, tuple(at), tuple(made)) for wave, table, at, made in rows]


def put_back(connection: Connection, one: Shelved) -> None:
    """Make it again, each thing in a transaction of its own."""
    for position, statement in zip(one.positions, one.statements, strict=True):
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.execute(
                f"DELETE FROM {SCHEMA}.shelved WHERE position = %s",  # noqa: S608 - our own name
                (position,),
            )


def waves(found: Sequence[Shelved]) -> list[list[Shelved]]:
    """Return the same as lists that can be put back side by side, one list after the other."""
    return [
        [one for one in found if one.wave == wave] for wave in sorted({one.wave for one in found})
    ]


_FIND = f"""
SELECT wave, relation, array_agg(position ORDER BY position),
       array_agg(statement ORDER BY position)
  FROM {SCHEMA}.shelved
 GROUP BY wave, relation ORDER BY wave, count(*) DESC, relation
"""  # noqa: S608 - our own name
# Columns: wave, table, the statement that takes away, the statement that puts back. Keys go before
# foreign keys, which refer to them.
_FOREIGN_KEYS = """
SELECT 1, conrelid::regclass::text,
       format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
              pg_get_constraintdef(oid))
  FROM pg_constraint
 WHERE contype = 'f' AND conparentid = 0
   AND (conrelid = ANY (CAST(%(tables)s AS regclass[]))
        OR confrelid = ANY (CAST(%(tables)s AS regclass[])))
 ORDER BY oid
"""
_KEYS = """
SELECT 0, conrelid::regclass::text,
       format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
              pg_get_constraintdef(pg_constraint.oid))
  FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
 WHERE contype IN ('p', 'u') AND relkind = 'r'
   AND conrelid = ANY (CAST(%(tables)s AS regclass[]))
 ORDER BY contype, conname
"""
_INDEXES = """
SELECT 0, indrelid::regclass::text, format('DROP INDEX %%s', indexrelid::regclass),
       replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
  FROM pg_index
 WHERE indrelid = ANY (CAST(%(tables)s AS regclass[]))
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
 ORDER BY indexrelid::regclass::text
"""
