"""What the database does at this moment: transactions that are open, and who waits for whom.

Texts of statements come with their values from there: the caller takes them out (`shorten`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST_SHOWN = 50
_OPEN = text("""
    SELECT pid, coalesce(application_name, ''), coalesce(state, ''), xact_start,
           extract(epoch FROM clock_timestamp() - xact_start)::float8,
           coalesce(wait_event_type || ': ' || wait_event, ''), coalesce(query, '')
      FROM pg_stat_activity
     WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
     ORDER BY xact_start
     LIMIT :most
""")
_WAITS = text("""
    SELECT waiting.pid, coalesce(waiting.application_name, ''), coalesce(waiting.query, ''),
           holder.pid, coalesce(holder.application_name, ''), coalesce(holder.state, ''),
           coalesce(holder.query, ''),
           extract(epoch FROM clock_timestamp() - waiting.query_start)::float8,
           (SELECT string_agg(DISTINCT l.mode || coalesce(' on ' || c.relname, ''), ', ')
              FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
             WHERE l.pid = waiting.pid AND NOT l.granted)
      FROM pg_stat_activity waiting
     CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
      JOIN pg_stat_activity holder ON holder.pid = blocking.pid
     WHERE waiting.datname = current_database()
     ORDER BY waiting.query_start, waiting.pid
     LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction that is open; `statement` is the present or last one of it, without values."""

    pid: int
    application: str
    state: str
    began_at: datetime
    seconds: float
    waits_for: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """One connection that waits for a lock which another one has, or wants before it."""

    pid: int
    application: str
    statement: str
    seconds: float
    wanted: str
    holder_pid: int
    holder_application: str
    holder_state: str
    holder_statement: str


def find_open(session: Session, shorten: Callable[[str], str]) -> list[OpenTransaction]:
    """Return the open transactions, the longest first."""
    return [
        OpenTransaction(
            pid=pid,
            application=application,
            state=state,
            began_at=began_at,
            seconds=float(seconds),
            waits_for=waits_for,
            statement=shorten(query),
        )
        for pid, application, state, began_at, seconds, waits_for, query in session.execute(
            _OPEN, {"most": MOST_SHOWN}
        )
    ]


def find_waits(session: Session, shorten: Callable[[str], str]) -> list[LockWait]:
    """Return who waits for a lock, the longest first."""
    return [
        LockWait(
            pid=row[0],
            application=row[1],
            statement=shorten(row[2]),
            holder_pid=row[3],
            holder_application=row[4],
            holder_state=row[5],
            holder_statement=shorten(row[6]),
            seconds=float(row[7]),
            wanted=row[8] or "",
        )
        for row in session.execute(_WAITS, {"most": MOST_SHOWN})
    ]
