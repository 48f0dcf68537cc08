"""Loads rows into a schema that is there: partitions made, indexes put off until all rows are in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name

from labq.services.backup import catalog, manifest
from labq.services.backup.bundle import BLOCK
from labq.services.backup.catalog import Rule
from labq.services.backup.links import Team
from labq.services.backup.manifest import DamagedBundleError, Shape

MAINTENANCE_MEMORY = "128MB"


def quicken(link: Connection) -> None:
    """Let a connection load: its commits wait for the disk with the last one of the restore."""
    with link.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET lock_timeout = 0")
        cursor.execute(f"SET maintenance_work_mem = '{MAINTENANCE_MEMORY}'")


def make_room(link: Connection, shapes: Sequence[Shape], source: Path) -> list[Rule]:
    """Empty all tables, make the missing partitions, and drop what is made later: that is returned.

    Raises DamagedBundleError for a table or column that the schema has not.
    """
    there = {extent.shape.name: extent.shape for extent in catalog.find_tables(link)}
    _check(there, shapes, source)
    rules = catalog.find_rules(link)
    with link.cursor() as cursor:
        cursor.execute("BEGIN")
        if there:
            names = sql.SQL(", ").join(map(sql.Identifier, there))
            cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))
        for rule in reversed(rules):
            cursor.execute(rule.drop)
        for shape in shapes:
            if shape.name not in there:
                cursor.execute(_partition(shape))
        cursor.execute("COMMIT")
    return rules


def copy(link: Connection, shape: Shape, rows: BinaryIO, where: str) -> int:
    """Load rows into a table and return how many; raises DamagedBundleError when they do not fit."""
    columns = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(shape.name), columns)
    with link.cursor() as cursor:
        try:
            cursor.copy_expert(query.as_string(link), rows, size=BLOCK)
        except psycopg2.Error as error:
            raise DamagedBundleError(f"{where}: {_said(error)}") from error
        return int(cursor.rowcount)


def set_sequences(link: Connection, sequences: Iterable[manifest.Sequence]) -> None:
    """Let sequences go on where they stood; one that the schema has not is passed over."""
    with link.cursor() as cursor:
        for one in sequences:
            cursor.execute(
                "SELECT setval(found, %s, %s) FROM to_regclass(quote_ident(%s)) AS found"
                " WHERE found IS NOT NULL",
                (one.last, one.is_called, one.name),
            )


def make_rules(team: Team, link: Connection, rules: Sequence[Rule], source: Path) -> None:
    """Make indexes and constraints, of several tables at once; references after all keys.

    Raises DamagedBundleError when the rows do not fit one.
    """
    of_tables: dict[str, list[Rule]] = {}
    for rule in rules:
        if not rule.is_reference:
            of_tables.setdefault(rule.table, []).append(rule)

    def make(link: Connection, some: Sequence[Rule]) -> None:
        for rule in some:
            _make(link, rule, source)

    for _ in team.each(make, map(tuple, of_tables.values())):
        pass
    make(link, [rule for rule in rules if rule.is_reference])


def _make(link: Connection, rule: Rule, source: Path) -> None:
    with link.cursor() as cursor:
        try:
            cursor.execute(rule.create)
        except psycopg2.IntegrityError as error:
            reason = f"{source}: rows of {rule.table} break {rule.name}: {_said(error)}"
            raise DamagedBundleError(reason) from error


def _check(there: Mapping[str, Shape], shapes: Sequence[Shape], source: Path) -> None:
    for shape in shapes:
        if shape.name in there:
            unknown = set(shape.columns) - set(there[shape.name].columns)
        else:
            unknown = set() if shape.parent else {"any column"}
        if unknown:
            columns = ", ".join(sorted(unknown))
            raise DamagedBundleError(
                f"{source}: table {shape.name}: labq's schema of that revision has not {columns}"
            )


def _partition(shape: Shape) -> sql.Composed:
    """Return the statement that makes a partition; its bounds were checked as they were read."""
    made = sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(
        sql.Identifier(shape.name), sql.Identifier(shape.parent or ""), sql.SQL(shape.bound or "")
    )
    if shape.options:
        made += sql.SQL(" WITH ({})").format(sql.SQL(", ".join(shape.options)))
    return made


def _said(error: psycopg2.Error) -> str:
    return " ".join(str(error).split())
