"""Brings the story into a database: marks it, loads, puts constraints back, takes the mark away."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import psycopg2
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name
from sqlalchemy.orm import Session
from typing_extensions import override

from labq.blobs import Logs
from labq.domain.deadline import monotonic
from labq.domain.errors import ConflictError, InfrastructureError
from labq.fill import log_text, mark, shelf
from labq.fill.book import Book
from labq.fill.copytext import stamp
from labq.fill.crew import Crew
from labq.fill.lab_rows import PEOPLE, TOKEN, TYPES
from labq.fill.mark import Mark
from labq.fill.shelf import Shelved
from labq.fill.table import Table
from labq.fill.units import LOADED, NAMED, Unit, units
from labq.services import partitions, rollups, tags
from labq.services.credentials import digest, new_secret
from labq.services.database import Role, make_engine
from labq.services.tokens import PREFIX

Say = Callable[[str], None]
ROWS_AT_ONCE = 500
_SETTINGS = (
    "SET synchronous_commit = off",
    "SET maintenance_work_mem = '128MB'",
    "SET timezone = 'UTC'",
    "SET statement_timeout = 0",
)
_SLOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data goes: a database, and the folder of its blobs."""

    url: str
    blobs: Path


class Loader:
    """Loads one book into one place."""

    def __init__(self, place: Place, book: Book, processes: int, say: Say) -> None:
        self._place, self._book, self._processes, self._say = place, book, processes, say
        self._begun = monotonic()

    def load(self, found: Mark) -> dict[str, str]:
        """Load everything; return the secrets of the tokens by the names of their users."""
        with closing(connect(self._place.url)) as connection:
            with connection:
                _make_partitions(self._place.url, self._book)
            secrets = self._load_people(connection)
        self._load_rows(found)
        self._say("counting")
        recount(self._place.url)
        with closing(connect(self._place.url)) as connection, connection:
            mark.number_on(connection)
        finish(self._place.url, self._processes, self._say)
        return secrets

    def _load_people(self, connection: Connection) -> dict[str, str]:
        secrets = {name: PREFIX + new_secret() for name in self._book.story.cast.users[:2]}
        try:
            with connection, connection.cursor() as cursor:
                _load_types(connection, self._book)
                for table in PEOPLE:
                    _copy(connection, table, table.name, table.rows(self._book, range(0)))
                for index, secret in enumerate(secrets.values()):
                    cursor.execute(
                        "INSERT INTO token (user_id, digest, description, created_at)"
                        " VALUES (%s, %s, %s, %s)",
                        (self._book.user(index), digest(secret), TOKEN, datetime.now(UTC)),
                    )
        except UniqueViolation as error:
            raise ConflictError(
                f"the database has some of what is to be added already: {error.diag.message_detail}"
            ) from error
        return secrets

    def _load_rows(self, found: Mark) -> None:
        # Made here once, shared by all processes.
        self._book.make_shapes()
        stored = log_text.stored(self._book)
        tasks = list(units(self._book, stored))
        self._say(f"loading {len(tasks)} parts")
        is_empty = found.bases.job == 0

        def work(unit: Unit) -> tuple[int, float]:
            return self._load_unit(unit, is_empty=is_empty)

        crew = Crew(work, self._processes)
        for done, (unit, (rows, seconds)) in enumerate(crew.do(tasks), 1):
            if seconds >= _SLOW_SECONDS:
                rate = rows / seconds
                self._say(
                    f"{unit.into}: {rows:,} in {seconds:.0f} s, {rate:,.0f}/s ({self._share(done, tasks)})"
                )

    def _share(self, done: int, tasks: list[Unit]) -> str:
        return f"{done} of {len(tasks)} parts, {monotonic() - self._begun:.0f} s"

    def _load_unit(self, unit: Unit, *, is_empty: bool) -> tuple[int, float]:
        """Load one part in a transaction of its own."""
        began = monotonic()
        if unit.table is None:
            logs = Logs(self._place.blobs)
            for job in unit.jobs:
                log_text.store(self._book, logs, job)
            return len(unit.jobs), monotonic() - began
        assert isinstance(unit.jobs, range)
        with closing(connect(self._place.url)) as connection, connection:
            rows = unit.table.rows(self._book, unit.jobs)
            count = _copy(connection, unit.table, unit.into, rows, is_new=is_empty)
        return count, monotonic() - began


def connect(url: str) -> Connection:
    """Return a connection for loading."""
    connection = psycopg2.connect(url, application_name="labq fill", connect_timeout=5)
    with connection, connection.cursor() as cursor:
        for setting in _SETTINGS:
            cursor.execute(setting)
    return connection


def finish(url: str, processes: int, say: Say) -> None:
    """Put everything back that was taken away, and the mark away when that is done."""
    with closing(connect(url)) as connection, connection:
        found = shelf.find(connection)
    for wave in shelf.waves(found):
        say(f"making {sum(len(one.statements) for one in wave)} indexes and constraints")
        for one, _ in Crew(partial(_put_back, url), processes).do(wave):
            say(f"{one.table}: {len(one.statements)}")
    say("gathering statistics")
    tables = [*(table.name for table in (*LOADED, *NAMED)), *rollups.TABLES]
    for _ in Crew(partial(_vacuum, url), processes).do(tables):
        pass
    with closing(connect(url)) as connection, connection:
        mark.remove(connection)


def recount(url: str) -> None:
    """Count what the pages show without counting, and number the tags of devices."""
    engine = make_engine(url, Role.COMMAND)
    try:
        with Session(engine) as session, session.begin():
            rollups.recount(session)
        with Session(engine) as session, session.begin():
            tags.ensure_all(session)
    finally:
        engine.dispose()


def _put_back(url: str, one: Shelved) -> None:
    with closing(connect(url)) as connection:
        shelf.put_back(connection, one)


def _vacuum(url: str, table: str) -> None:
    with closing(connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'VACUUM (ANALYZE) "{table}"')


def _make_partitions(url: str, book: Book) -> None:
    submitted = book.story.submitted
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.begin() as connection:
            partitions.ensure(connection, stamp(submitted[0]).date(), stamp(submitted[-1]).date())
    finally:
        engine.dispose()


def _load_types(connection: Connection, book: Book) -> None:
    """Add the device types that the database does not have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE new_type (LIKE device_type INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        _copy(connection, TYPES, "new_type", TYPES.rows(book, range(0)))
        cursor.execute("INSERT INTO device_type SELECT * FROM new_type ON CONFLICT DO NOTHING")


def _copy(
    connection: Connection, table: Table, into: str, rows: Iterator[str], *, is_new: bool = False
) -> int:
    """Copy rows; into a table that has none they are frozen at once, and not logged either."""
    stream = _Stream(rows)
    with connection.cursor() as cursor:
        if is_new:
            cursor.execute(f'TRUNCATE "{into}"')
        cursor.copy_expert(table.copy(into) + (" WITH (FREEZE)" if is_new else ""), stream)
        return cursor.rowcount


class _Stream(io.RawIOBase):
    """Lines as a file to read: some hundred at once, however much is asked for."""

    def __init__(self, rows: Iterator[str]) -> None:
        self._rows = rows
        self._parent = os.getppid()

    @override
    def read(self, _size: int = -1) -> bytes:
        """Return the next lines, nothing at the end."""
        if os.getppid() != self._parent:
            raise InfrastructureError("the process that began the fill is gone")
        lines = list(islice(self._rows, ROWS_AT_ONCE))
        return ("\n".join(lines) + "\n").encode() if lines else b""
