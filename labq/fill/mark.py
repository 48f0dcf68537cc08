"""What a fill notes of itself in the database, so that one that was killed can be cleared away."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above

from labq.fill.book import Bases
from labq.fill.lab_rows import PEOPLE
from labq.fill.units import LOADED
from labq.services.fill_marker import SCHEMA

SEQUENCES = {
    "user": "user",
    "group": "group",
    "audience": "audience",
    "device": "device",
    "job": "job",
    "run": "run",
    "suite": "test_suite",
    "case": "test_case",
}
"""The table whose ids are counted from each of the bases."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The ids there were before, and what else the fill adds: hosts and device types, by name."""

    bases: Bases
    revision: str
    hosts: tuple[str, ...]
    types: tuple[str, ...]
    audit: int


def find(connection: Connection) -> Mark | None:
    """Return the mark of a fill that was not ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s)", (SCHEMA,))
        if cursor.fetchone() == (None,):
            return None
        cursor.execute(f"SELECT facts FROM {SCHEMA}.mark")  # noqa: S608 - our own name
        ((facts,),) = cursor.fetchall()
    return Mark(
        bases=Bases(**facts["bases"]),
        revision=facts["revision"],
        hosts=tuple(facts["hosts"]),
        types=tuple(facts["types"]),
        audit=facts["audit"],
    )


def write(connection: Connection, mark: Mark) -> None:
    """Make the mark."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
        cursor.execute(f"CREATE TABLE {SCHEMA}.mark (facts jsonb NOT NULL)")
        cursor.execute(
            f"INSERT INTO {SCHEMA}.mark VALUES (%s)",  # noqa: S608 - our own name
            (json.dumps(asdict(mark)),),
        )


def remove(connection: Connection) -> None:
    """Take the mark away, with everything that belongs to it."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def measure(connection: Connection) -> Bases:
    """Return the highest ids there are."""
    with connection.cursor() as cursor:
        found = {base: _highest(cursor, table) for base, table in SEQUENCES.items()}
    return Bases(**found)


def revision(connection: Connection) -> str:
    """Return the revision of the schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        ((found,),) = cursor.fetchall()
    return str(found)


def highest_audit(connection: Connection) -> int:
    """Return the id of the newest row of the audit trail."""
    with connection.cursor() as cursor:
        return _highest(cursor, "audit")


def clear(connection: Connection, mark: Mark) -> None:
    """Delete what a fill has added."""
    with connection.cursor() as cursor:
        for table in (*LOADED, *reversed(PEOPLE)):
            if not table.key:
                continue
            base = getattr(mark.bases, table.base)
            if base == 0 and table in LOADED:
                cursor.execute(f'TRUNCATE "{table.name}"')
            else:
                cursor.execute(f'DELETE FROM "{table.name}" WHERE "{table.key}" > %s', (base,))  # noqa: S608 - our own names
        cursor.execute("DELETE FROM audit WHERE id > %s", (mark.audit,))
        cursor.execute("DELETE FROM host WHERE name = ANY (%s)", (list(mark.hosts),))
        cursor.execute("DELETE FROM device_type WHERE name = ANY (%s)", (list(mark.types),))


def number_on(connection: Connection) -> None:
    """Let what comes next be numbered after what was filled."""
    with connection.cursor() as cursor:
        for table in SEQUENCES.values():
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('\"{table}\"', 'id'),"  # noqa: S608 - our own names
                f' (SELECT coalesce(max(id), 0) + 1 FROM "{table}"), false)'
            )


def _highest(cursor: Cursor, table: str) -> int:
    cursor.execute(f'SELECT coalesce(max(id), 0) FROM "{table}"')  # noqa: S608 - our own names
    ((found,),) = cursor.fetchall()
    return int(found)
