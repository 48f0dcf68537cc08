"""Statements that a connection parses and plans once: psycopg2 has no prepared ones of its own.

Whoever looks at statements (the ledger, tests) sees them as they are written, with their values; only
what goes to the server is `EXECUTE`. A statement names its columns, and casts what has no other type.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import CursorResult, Engine, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.orm import Session

MOST_LETTERS = 150_000
"""Of the statements that a connection keeps: their plans take about twenty times that in the server."""
_OPTION = "labq_prepared"
_KEPT = "labq.prepared"
_PLACE = re.compile(r"%%|%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is sent for a statement: once on each connection, and then for each call."""

    name: str
    prepare: str
    execute: str

    @property
    def size(self) -> int:
        """Return its length, as MOST_LETTERS counts it."""
        return len(self.prepare)


@lru_cache(maxsize=1000)
def prepared(text: str) -> Prepared:
    """Return the forms of a statement whose values are written `%(name)s`."""
    name = f"labq_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    places: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        return f"${places.setdefault(found[1], len(places) + 1)}"

    body = _PLACE.sub(numbered, text)
    values = ", ".join(f"%({place})s" for place in places)
    return Prepared(
        name,
        f"PREPARE {name} AS {body}",
        f"EXECUTE {name} ({values})" if values else f"EXECUTE {name}",
    )


def run(session: Session, text: str, values: Mapping[str, object]) -> CursorResult[Any]:
    """Run a statement whose values are written `%(name)s`, planned at its first use on a connection.

    Its plan knows no values: it must be one that does for all of them.
    """
    return session.connection().exec_driver_sql(text, dict(values), {_OPTION: True})


def run_unprepared(session: Session, text: str, values: Mapping[str, object]) -> CursorResult[Any]:
    """Run a statement written like one for `run`, planned for these values."""
    return session.connection().exec_driver_sql(text, dict(values))


def attach(engine: Engine) -> None:
    """Let `run` prepare statements on the connections of an engine."""
    event.listen(engine, "do_execute", _execute)


def is_prepared(context: ExecutionContext) -> bool:
    """Tell whether a statement under way was asked for by `run`."""
    return bool(context.execution_options.get(_OPTION))


def _execute(
    cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext
) -> bool:
    if not is_prepared(context):
        return False
    found = prepared(statement)
    kept: OrderedDict[str, int] = context.root_connection.info.setdefault(_KEPT, OrderedDict())
    if found.name in kept:
        kept.move_to_end(found.name)
    else:
        while kept and sum(kept.values()) + found.size > MOST_LETTERS:
            oldest, _ = kept.popitem(last=False)
            cursor.execute(f"DEALLOCATE {oldest}")
        # The values of a statement that is prepared are no part of it: `%` stands for itself.
        cursor.execute(found.prepare)
        kept[found.name] = found.size
    cursor.execute(found.execute, parameters)
    return True
