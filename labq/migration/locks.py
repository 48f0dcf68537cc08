"""Locks of tables: asked for so briefly that nobody who waits behind notices, again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psycopg2
from psycopg2.errorcodes import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from labq.domain.deadline import Deadline
from labq.domain.errors import ConflictError

BRIEF_MS = 300
"""Whoever comes while a lock is waited for waits behind it: requests stay well below a second."""
LONG_MS = 600_000
"""For what stops nobody while it waits: concurrent indexes, checks of constraints."""
PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
log = logging.getLogger(__name__)


def set_timeout(connection: Connection, milliseconds: int) -> None:
    """Limit from now on how long a statement of this connection waits for a lock."""
    connection.execute(text(f"SET lock_timeout = {milliseconds}"))


def insist(connection: Connection, act: Callable[[], None], table: str = "") -> None:
    """Do what needs a lock, again and again with pauses that grow, until it is done.

    Raises ConflictError after PATIENCE_SECONDS; it names who holds locks of `table` then.
    """
    deadline, pause = Deadline.after(PATIENCE_SECONDS), FIRST_PAUSE_SECONDS
    while True:
        try:
            act()
        except DBAPIError as error:
            if not is_lock_missing(error):
                raise
            if deadline.is_over():
                raise ConflictError(_describe(connection, table)) from error
        else:
            return
        log.info("waits for a lock of %s, tries again in %.1f s", table or "a table", pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def is_lock_missing(error: DBAPIError) -> bool:
    """Tell whether a statement failed for a lock that somebody else holds."""
    found = error.orig.pgcode if isinstance(error.orig, psycopg2.Error) else None
    return found in (LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED)


def _describe(connection: Connection, table: str) -> str:
    message = f"no lock of {table or 'a table'} was to be had in {PATIENCE_SECONDS:g} s"
    rows = connection.execute(_HOLDERS, {"table": table}) if table else ()
    holders = [f"process {row.pid} ({row.application_name}, for {row.seconds} s)" for row in rows]
    return f"{message}: held by {', '.join(holders)}" if holders else message


_HOLDERS = text("""
SELECT DISTINCT pid, application_name,
       round(extract(epoch FROM clock_timestamp() - xact_start)) AS seconds
  FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE relation = to_regclass(:table) AND granted AND pid <> pg_backend_pid()
 ORDER BY seconds DESC NULLS LAST LIMIT 5
""")
