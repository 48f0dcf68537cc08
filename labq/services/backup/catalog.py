"""What is in a database, from its catalog: tables, columns, sequences, indexes and constraints."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name

from labq.services.backup.manifest import Sequence, Shape
from labq.services.restore_marker import MARKER

VERSION_TABLE = "alembic_version"
_OWN = (VERSION_TABLE, MARKER)


@dataclass(frozen=True, slots=True)
class Extent:
    """A table and its size on the disk: `pages` of its own, `bytes` with what is kept aside."""

    shape: Shape
    pages: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An index or constraint that is cheaper to make after the rows are there.

    `is_reference`: a foreign key, which needs the keys it refers to.
    """

    table: str
    name: str
    drop: str
    create: str
    is_reference: bool


def find_tables(connection: Connection) -> list[Extent]:
    """Return the tables that have rows of their own, the largest first."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, {"own": _OWN})
        return [
            Extent(Shape(name, tuple(columns), parent, bound, tuple(options)), pages, size)
            for name, columns, parent, bound, options, pages, size in cursor
        ]


def find_sequences(connection: Connection) -> tuple[Sequence, ...]:
    """Return where the sequences stand; ones that were never used are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES)
        return tuple(
            Sequence(name=name, last=last, is_called=True) for name, last in cursor.fetchall()
        )


def find_rules(connection: Connection) -> list[Rule]:
    """Return indexes and constraints other than checks, references last; of partitions none."""
    with connection.cursor() as cursor:
        cursor.execute(_RULES)
        return [Rule(*row) for row in cursor]


def find_revision(connection: Connection) -> str | None:
    """Return the revision of the schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (VERSION_TABLE,))
        if cursor.fetchone() == (None,):
            return None
        cursor.execute(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
        row = cursor.fetchone()
        return str(row[0]) if row else None


def find_things(connection: Connection) -> list[tuple[str, str]]:
    """Return (kind, name in full) of all that was made in the schema, in an order to drop it in."""
    with connection.cursor() as cursor:
        cursor.execute(_THINGS, {"marker": MARKER})
        return [(str(kind), str(name)) for kind, name in cursor]


_TABLES = """
SELECT c.relname,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = '' ORDER BY a.attnum),
       parent.relname, CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
       coalesce(c.reloptions, '{}'),
       pg_relation_size(c.oid) / current_setting('block_size')::int, pg_table_size(c.oid)
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
  LEFT JOIN pg_class parent ON parent.oid = i.inhparent
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
   AND c.relpersistence <> 't' AND c.relname NOT IN %(own)s
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
                      AND d.classid = 'pg_class'::regclass)
 ORDER BY 7 DESC, 1
"""

_SEQUENCES = """
SELECT sequencename, last_value FROM pg_sequences
 WHERE schemaname = current_schema() AND last_value IS NOT NULL ORDER BY 1
"""

_RULES = """
SELECT c.conrelid::regclass::text, c.conname,
       format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname,
              pg_get_constraintdef(c.oid)),
       c.contype = 'f' AS is_reference
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
 WHERE c.connamespace = current_schema()::regnamespace AND c.conparentid = 0
   AND c.contype IN ('p', 'u', 'x', 'f') AND NOT t.relispartition
UNION ALL
SELECT i.indrelid::regclass::text, x.relname, format('DROP INDEX %s', x.oid::regclass),
       replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON '), false
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
 WHERE x.relnamespace = current_schema()::regnamespace AND NOT x.relispartition
   AND NOT t.relispartition
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.oid AND c.contype <> 'f')
ORDER BY is_reference, 1, 2
"""

_THINGS = """
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                      WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
       c.oid::regclass::text
  FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
   AND NOT c.relispartition AND c.relname <> %(marker)s
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
                      AND d.deptype IN ('e', 'i', 'a') AND (d.deptype = 'e' OR c.relkind = 'S'))
UNION ALL
SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = current_schema()::regnamespace
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'
                      AND d.classid = 'pg_proc'::regclass)
UNION ALL
SELECT 'TYPE', t.oid::regtype::text FROM pg_type t
 WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype IN ('e', 'd')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e'
                      AND d.classid = 'pg_type'::regclass)
"""
