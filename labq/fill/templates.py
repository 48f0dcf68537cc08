"""Filled databases as templates: made once, cloned in seconds with hard links to their logs."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name
from sqlalchemy.engine import make_url

from labq.domain.errors import ConflictError, NotFoundError
from labq.fill.fill import GENERATOR, Wishes

_MARK = "labq template "
_FILE_COPY = 150_000
"""PostgreSQL 15 copies by its log unless it is told to copy files, which is far quicker."""


def url_of(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def key(wishes: Wishes, revision: str) -> str:
    """Return what names the data of a fill: the same key, the same rows."""
    parts = (
        GENERATOR,
        revision,
        wishes.profile.model_dump_json(),
        wishes.seed,
        wishes.until.isoformat(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def begin(url: str, name: str, wanted: str) -> bool:
    """Make the database `name` to be filled; tell whether it is there already as wanted.

    Raises ConflictError when there is one of this name with something else.
    """
    with closing(_maintenance(url)) as connection:
        if not _is_there(connection, name):
            _execute(connection, "CREATE DATABASE {}", name)
            return False
        found = _note(connection, name)
        if found is not None and found != wanted:
            raise ConflictError(
                f"there is a template {name!r} of another profile, seed or time: "
                f"drop it (`labq db clone --drop {name}`) or take another name"
            )
        return found == wanted


def end(url: str, name: str, made: str) -> None:
    """Make a filled database a template, to which nobody connects any more."""
    with closing(_maintenance(url)) as connection:
        _execute(connection, "ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", name)
        _execute(connection, "COMMENT ON DATABASE {} IS %s", name, _MARK + made)


def clone(url: str, template: str, name: str) -> None:
    """Make a database `name` that is a copy; raises NotFoundError, ConflictError."""
    with closing(_maintenance(url)) as connection:
        if _note(connection, template) is None:
            raise NotFoundError(
                f"there is no template {template!r}: `labq db fill --template` makes one"
            )
        if _is_there(connection, name):
            raise ConflictError(f"there is a database {name!r} already")
        how = " STRATEGY file_copy" if connection.server_version >= _FILE_COPY else ""
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}" + how).format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )


def drop(url: str, name: str) -> None:
    """Drop a template; raises NotFoundError for what is none."""
    with closing(_maintenance(url)) as connection:
        if _note(connection, name) is None:
            raise NotFoundError(f"there is no template {name!r}")
        _execute(connection, "ALTER DATABASE {} IS_TEMPLATE false", name)
        _execute(connection, "DROP DATABASE {}", name)


def link_blobs(source: Path, target: Path) -> int:
    """Give a copy of blobs: packed logs, which never change, are linked; return how many files."""
    count = 0
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        count += 1
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if path.suffix == ".zst" and source.stat().st_dev == place.parent.stat().st_dev:
            os.link(path, place)
        else:
            shutil.copy2(path, place)
    return count


def _maintenance(url: str) -> Connection:
    connection = psycopg2.connect(url_of(url, "postgres"), connect_timeout=5)
    connection.autocommit = True
    return connection


def _is_there(connection: Connection, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None


def _note(connection: Connection, name: str) -> str | None:
    """Return the key of a template of ours, None for anything else."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            (name,),
        )
        row = cursor.fetchone()
    text = str(row[0] or "") if row else ""
    return text.removeprefix(_MARK) if text.startswith(_MARK) else None


def _execute(connection: Connection, statement: str, name: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)), values or None)
