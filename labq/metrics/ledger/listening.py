"""What SQLAlchemy tells: transactions and their statements, of every engine in this process.

Nothing is counted outside of a request that is observed, unless the process has a ledger of its own.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from labq import statsd
from labq.metrics.ledger.clock import wall
from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.work import REQUEST, Transaction

SQL_LOG = "labq.sql"
_KEY = "labq.transaction"
_SITE: ContextVar[str] = ContextVar("labq.site", default="")
_PACKAGE = "labq."
_BELOW = ("labq.metrics.", "labq.services.")
# A connection that is kept on after its commit is not at work.
_LONGEST_COMMIT_SECONDS = 5.0
_LOG = logging.getLogger(SQL_LOG)


class _Process:
    """The ledger for what is no part of a request; like a logger, one for the whole process."""

    ledger: Ledger | None = None


_PROCESS = _Process()


def keep(ledger: Ledger | None) -> None:
    """Count what this process does outside of requests in `ledger` from now on, None: no more."""
    _PROCESS.ledger = ledger
    attach()


def attach() -> None:
    """Listen to all engines of this process; more calls change nothing."""
    if event.contains(Engine, "begin", _begin):
        return
    event.listen(Engine, "begin", _begin)
    event.listen(Engine, "before_cursor_execute", _before)
    event.listen(Engine, "after_cursor_execute", _after)
    event.listen(Engine, "handle_error", _fail)
    event.listen(Engine, "commit", _end)
    event.listen(Engine, "rollback", _end)
    event.listen(Pool, "checkin", _give_back)  # codespell:ignore checkin
    event.listen(Pool, "invalidate", _lose)


@contextmanager
def site(name: str) -> Iterator[None]:
    """Name the transactions that begin within the block."""
    token = _SITE.set(name)
    try:
        yield
    finally:
        _SITE.reset(token)


def _begin(connection: Connection) -> None:
    request = REQUEST.get()
    keeper = request.keeper if request is not None else _PROCESS.ledger
    if keeper is None:
        return
    info = connection.info
    _finish(info)
    options = connection.get_execution_options()
    transaction = info[_KEY] = Transaction(
        name=_SITE.get() or (request.name if request is not None else "") or _call_site(),
        keeper=keeper,
        request=request,
        is_plain_read=options.get("isolation_level") == "AUTOCOMMIT",
    )
    if request is None:
        keeper.begin(transaction)


def _before(
    connection: Connection, cursor: DBAPICursor, statement: str, parameters: Any, *_rest: object
) -> None:
    del statement, parameters
    transaction: Transaction | None = connection.info.get(_KEY)
    if transaction is None:
        return
    request = transaction.request
    if request is not None:
        request.enter(cursor.connection)
    transaction.statement_began = time.perf_counter()


def _after(
    connection: Connection, cursor: DBAPICursor, statement: str, parameters: Any, *_rest: object
) -> None:
    transaction: Transaction | None = connection.info.get(_KEY)
    if transaction is None:
        return
    seconds = time.perf_counter() - transaction.statement_began
    rows = max(cursor.rowcount, 0)
    transaction.note(statement, seconds, rows, parameters)
    _tell(transaction, statement, seconds, rows)
    request = transaction.request
    if request is not None and not request.leave():
        # A cancellation is still on its way: it must not hit the connection's next user.
        connection.invalidate()
        raise request.overdue()


def _fail(context: ExceptionContext) -> Exception | None:
    connection = context.connection
    if connection is None or connection.closed or connection.invalidated:
        return None
    transaction: Transaction | None = connection.info.get(_KEY)
    if transaction is None or context.statement is None:
        return None
    transaction.has_failed = True
    seconds = time.perf_counter() - transaction.statement_began
    transaction.note(context.statement, seconds, 0, context.parameters)
    _tell(transaction, context.statement, seconds, 0)
    request = transaction.request
    if request is None:
        return None
    request.leave()
    return request.overdue() if request.is_overdue else None


def _tell(transaction: Transaction, text: str, seconds: float, rows: int) -> None:
    """Log a statement while the switch is on; without its values, which may be secrets."""
    keeper = transaction.keeper
    if not keeper.sql_log_until or keeper.sql_log_until < wall():
        return
    shape = keeper.names.of(text)
    outcome = "failed" if transaction.has_failed else f"{rows} rows"
    _LOG.info(
        "%s %.1f ms, %s [%s]: %s", shape.id, seconds * 1000, outcome, transaction.name, shape.text
    )


def _end(connection: Connection) -> None:
    # What was lost has been noted, and asking such a connection for anything raises.
    if connection.closed or connection.invalidated:
        return
    transaction: Transaction | None = connection.info.get(_KEY)
    if transaction is not None:
        transaction.ended = time.perf_counter()


def _give_back(_dbapi: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    transaction: Transaction | None = record.info.get(_KEY)
    if transaction is None:
        return
    now = time.perf_counter()
    if not transaction.ended or now - transaction.ended < _LONGEST_COMMIT_SECONDS:
        transaction.ended = now
    _finish(record.info)


def _lose(_dbapi: DBAPIConnection, record: ConnectionPoolEntry, *_rest: object) -> None:
    transaction: Transaction | None = record.info.get(_KEY)
    if transaction is not None:
        transaction.has_failed = True
        _finish(record.info)


def _finish(info: dict[str, Any]) -> None:
    transaction: Transaction | None = info.pop(_KEY, None)
    if transaction is not None:
        transaction.ended = transaction.ended or time.perf_counter()
        transaction.keeper.end_transaction(transaction)


def _call_site() -> str:
    """Return the function of labq, outside of services, that the present call comes from."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the quick way to the caller
    found = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_PACKAGE):
            found = f"{module.removeprefix(_PACKAGE)}.{frame.f_code.co_name}"
            if not module.startswith(_BELOW):
                break
        frame = frame.f_back
    return ".".join(statsd.segment(part) for part in found.split(".")) if found else "unknown"
