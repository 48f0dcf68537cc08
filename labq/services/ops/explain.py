"""EXPLAIN of one recorded SELECT, on a connection of its own that can change nothing.

The transaction is READ ONLY, short, and rolled back; the connection is closed, with all it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from labq.domain.errors import ConflictError, InvalidInputError, Problem
from labq.services.database import DRIVER, KEEPALIVE

ANALYZE_MS = 8_000
PLAN_MS = 1_000
LOCK_MS = 500
LARGEST_PLAN = 40_000
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_BIND = re.compile(r"%\(\w+\)s")
_STARTS = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
# What READ ONLY does not keep from reaching outside of the transaction, or what it refuses anyway.
_NEVER = re.compile(
    r";|--|/\*|\b(insert|update|delete|merge|truncate|copy|call|do|set|lock|grant|revoke|create|alter"
    r"|drop|vacuum|notify|listen|commit|rollback|begin|savepoint|into|nextval|setval|set_config"
    r"|dblink\w*|lo_\w+|pg_(?!catalog\b|class\b|stat_\w+\b|table_size\b|relation_size\b|namespace\b"
    r"|index\b|inherits\b|locks\b|blocking_pids\b|database\b|extension\b|backend_pid\b)\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What EXPLAIN said; `is_measured` with times and buffers, as the statement was run for it."""

    text: str
    is_measured: bool


def check(statement: str) -> None:
    """Raise InvalidInputError for anything but one plain SELECT."""
    bare = _BIND.sub("?", _QUOTED.sub("''", statement))
    if not _STARTS.match(bare):
        raise _refused("only a SELECT can be explained")
    found = _NEVER.search(bare)
    if found is not None:
        raise _refused(f"a statement with `{found[0]}` is not explained")


def is_explained(statement: str) -> bool:
    """Tell whether it is one plain SELECT."""
    try:
        check(statement)
    except InvalidInputError:
        return False
    return True


def explain(url: str, statement: str, values: Mapping[str, object], *, runs: bool) -> Plan:
    """Return the plan; with `runs` the statement is run for it (ANALYZE, BUFFERS).

    Raises InvalidInputError for what is no plain SELECT, ConflictError when it takes too long or
    can't be run with these values.
    """
    check(statement)
    options = "ANALYZE, BUFFERS, VERBOSE" if runs else "VERBOSE"
    engine = create_engine(
        make_url(url).set(drivername=DRIVER), poolclass=NullPool, connect_args=_arguments(runs=runs)
    )
    try:
        with engine.connect() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            found = connection.exec_driver_sql(f"EXPLAIN ({options}) {statement}", dict(values))
            lines = [str(line) for (line,) in found]
            connection.rollback()
    except DBAPIError as error:
        raise ConflictError(f"cannot be explained now: {_first_line(error)}") from error
    except (LookupError, TypeError) as error:
        raise ConflictError(f"the values do not fit the statement: {error!r}") from error
    finally:
        engine.dispose()
    return Plan(text="\n".join(lines)[:LARGEST_PLAN], is_measured=runs)


def _arguments(*, runs: bool) -> dict[str, object]:
    limits = {
        "default_transaction_read_only": "on",
        "statement_timeout": ANALYZE_MS if runs else PLAN_MS,
        "lock_timeout": LOCK_MS,
        "idle_in_transaction_session_timeout": ANALYZE_MS,
    }
    return {
        "application_name": "labq explain",
        "connect_timeout": 5,
        **KEEPALIVE,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
    }


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError([Problem("statement", message)])
