"""Whose turn it is to change the schema: an advisory lock, held as long as the connection lives."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

from labq.domain.deadline import Deadline
from labq.domain.errors import ConflictError

# One number for all labq servers of a database: only one of them migrates at a time.
ADVISORY_LOCK = 5_722_901_311
GRACE_SECONDS = 3.0
"""How long one that was killed may seem to be there."""
POLL_SECONDS = 0.1


def take(connection: Connection, *, waits: bool) -> None:
    """Take the turn; raises ConflictError that names who has it, unless it `waits` for its end.

    It asks again and again: a query that waits would itself be waited for by indexes that the other
    makes. The server ends whatever this connection began soon after its process has died.
    """
    deadline = Deadline.after(GRACE_SECONDS)
    while not _is_taken(connection):
        if deadline.is_over() and not waits:
            holder = find_holder(connection) or "one that is just gone: try again"
            raise ConflictError(f"the schema is being changed by {holder}")
        time.sleep(POLL_SECONDS)
    connection.execute(text("SET client_connection_check_interval = '1s'"))
    connection.commit()


def find_holder(connection: Connection) -> str | None:
    """Return who changes the schema now, None when nobody does."""
    row = connection.execute(_HOLDER, {"key": ADVISORY_LOCK}).first()
    if row is None:
        return None
    return f"{row.application_name} from {row.address}, since {row.since:%Y-%m-%d %H:%M:%S} UTC"


def _is_taken(connection: Connection) -> bool:
    query = text("SELECT pg_try_advisory_lock(:key)")
    is_taken = bool(connection.scalar(query, {"key": ADVISORY_LOCK}))
    connection.commit()
    return is_taken


_HOLDER = text("""
SELECT application_name, coalesce(host(client_addr), 'this machine') AS address,
       timezone('UTC', backend_start) AS since
  FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'advisory' AND granted AND objsubid = 1
   AND (classid::bigint << 32) + objid::bigint = :key
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")
