"""Carries out a back-fill in batches: each one transaction, together with the note how far it is."""

from __future__ import annotations

import time
from enum import StrEnum

from sqlalchemy import Connection, Engine, TextClause, text

from labq.domain import pace
from labq.domain.deadline import Deadline, monotonic
from labq.domain.pace import Crowd, next_rows, rest_after
from labq.migration.backfills import Batches

LOCK_MS = 500
STATEMENT_MS = 15_000


class Turn(StrEnum):
    """What came of a batch."""

    DONE = "done"
    FINISHED = "finished"
    BUSY = "busy"
    """Somebody else carries it out."""


class Filling:
    """One who carries out a back-fill; the row is locked during each batch, so that one at a time does."""

    def __init__(self, engine: Engine, batches: Batches) -> None:
        self._engine = engine
        self._batches = batches
        self._rows = pace.FIRST_ROWS

    def run(self, until: Deadline) -> Turn:
        """Do batches until all is done, the time is over or somebody else does them."""
        while True:
            began = monotonic()
            turn = self.batch()
            took = monotonic() - began
            if turn is not Turn.DONE or until.is_over():
                return turn
            self._rows = next_rows(self._rows, took)
            self._rest(took, until)

    def batch(self) -> Turn:
        """Do one batch."""
        with self._engine.begin() as connection:
            connection.execute(_LIMITS, {"lock": f"{LOCK_MS}ms", "all": f"{STATEMENT_MS}ms"})
            row = connection.execute(_TAKE, {"name": self._batches.name}).one_or_none()
            if row is None:
                return Turn.BUSY
            return Turn.FINISHED if row.is_finished else self._go_on(connection, row.cursor)

    def _go_on(self, connection: Connection, after: int) -> Turn:
        found = connection.execute(self._range(), {"after": after, "rows": self._rows}).one()
        if found.upto is None:
            connection.execute(_FINISH, {"name": self._batches.name})
            return Turn.FINISHED
        done = {"after": after, "upto": found.upto}
        connection.execute(text(self._batches.statement), done)
        values = {"name": self._batches.name, "upto": found.upto, "rows": found.rows}
        connection.execute(_NOTE, values)
        return Turn.DONE

    def _range(self) -> TextClause:
        key, table = self._batches.key, self._batches.table
        return text(  # names of labq's own tables
            f"SELECT max({key}) AS upto, count(*) AS rows FROM ("  # noqa: S608 - as above
            f"SELECT {key} FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT :rows) AS next"
        )

    def _rest(self, took: float, until: Deadline) -> None:
        """Leave the database to the others, for longer the more there are."""
        reason = ""
        while not until.is_over():
            crowd = self._look()
            if crowd.reason != reason:
                reason = crowd.reason
                self._note_rest(reason)
            time.sleep(min(rest_after(took, crowd), until.remaining()))
            if not reason:
                return

    def _look(self) -> Crowd:
        with self._engine.begin() as connection:
            row = connection.execute(_CROWD).one()
        return Crowd(active=row.active, waiting=row.waiting)

    def _note_rest(self, reason: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(_REST, {"name": self._batches.name, "reason": reason})


_LIMITS = text(
    "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :all, true)"
)
_TAKE = text("""
SELECT cursor, finished_at IS NOT NULL AS is_finished FROM backfill WHERE name = :name
   FOR UPDATE SKIP LOCKED
""")
_NOTE = text("""
UPDATE backfill SET cursor = :upto, done = done + :rows, rests = '', error = '', failures = 0,
       started_at = coalesce(started_at, clock_timestamp()),
       due_at = clock_timestamp() + interval '1 minute'
 WHERE name = :name
""")
_FINISH = text("""
UPDATE backfill SET finished_at = clock_timestamp(), rests = '', error = '',
       started_at = coalesce(started_at, clock_timestamp())
 WHERE name = :name
""")
_REST = text("""
UPDATE backfill SET rests = :reason, due_at = clock_timestamp() + interval '1 minute'
 WHERE name = :name
""")
_CROWD = text("""
SELECT count(*) FILTER (WHERE state = 'active') AS active,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend'
   AND pid <> pg_backend_pid()
""")
