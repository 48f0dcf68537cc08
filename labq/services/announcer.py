"""Keeps an upgrade announced while it runs: a thread with a connection of its own."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from labq.services import upgrades
from labq.services.upgrades import Announcement

BEAT_SECONDS = 1.0
LONGEST_STEP = 300
log = logging.getLogger(__name__)


class Announcer:
    """Renews the announcement, with what is done now, until it is told the end.

    `worker` is the server's process that changes the schema.
    """

    def __init__(self, engine: Engine, announced: Announcement, worker: int) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._announced = announced
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announce", daemon=True)

    def begin(self) -> None:
        """Announce, and go on doing so."""
        self._beat()
        self._thread.start()

    def say(self, step: str) -> None:
        """Take up what is done from now on."""
        self._announced = replace(self._announced, step=" ".join(step.split())[:LONGEST_STEP])

    def end(self, error: str = "") -> None:
        """Take the announcement back."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            with self._engine.connect() as connection:
                upgrades.withdraw(connection, self._announced.holder, error)
        except SQLAlchemyError as failed:
            log.warning("the announcement was not taken back, it ends by itself: %s", failed)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        """Announce once more; a database that is away is of no concern here."""
        try:
            with self._engine.connect() as connection:
                announced = replace(self._announced, step=self._step(connection))
                upgrades.announce(connection, announced)
        except SQLAlchemyError as error:
            log.debug("not announced: %s", error)

    def _step(self, connection: Connection) -> str:
        step = self._announced.step
        found = connection.execute(_PROGRESS, {"pid": self._worker}).one_or_none()
        return step if found is None else f"{step} ({found.phase}, {found.percent} %)"


_PROGRESS = text("""
SELECT phase, CASE WHEN tuples_total > 0 THEN 100 * tuples_done / tuples_total
                   ELSE 100 * blocks_done / greatest(blocks_total, 1) END AS percent
  FROM pg_stat_progress_create_index WHERE pid = :pid
""")
