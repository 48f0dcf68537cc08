"""A server in production with a real streaming replica of its database."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2

from labq.supervisor.postgres import USER, Postgres
from tests.lab.production import DATABASE, START_SECONDS, Production
from tests.lab.waiting import until

SENDING = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_replication_slots": "4",
    "wal_writer_delay": "10ms",
}
LAG = 1.5
"""Seconds that the replica of tests may lag."""


class Replicated(Production):
    """Its web process reads lists from the process `replica`."""

    def __init__(self, folder: Path) -> None:
        standby = folder / "standby"
        self.standby = Postgres(standby, Path(), None)  # type: ignore[arg-type]  # made below
        address = Postgres(standby, Path(), None).url(DATABASE)  # type: ignore[arg-type]  # as well
        super().__init__(
            folder,
            {
                "LABQ_DATABASE_REPLICA_URL": address,
                "LABQ_DATABASE_REPLICA_LAG": str(LAG),
                "LABQ_CACHE": "false",
                "LABQ_ANONYMOUS_RATE": "0",
                "LABQ_TOKEN_RATE": "0",
            },
        )
        settings = {**self.postgres.settings, **SENDING}
        self.postgres = replace(self.postgres, settings=settings)
        plain = {
            key: text for key, text in settings.items() if key not in ("port", "listen_addresses")
        }
        self.standby = Postgres(standby, self.postgres.programs, self.postgres.account, plain)

    def copy(self) -> None:
        """Take a base backup that follows the primary once it is started."""
        folder = self.standby.folder
        folder.mkdir(mode=0o700)
        self.standby.account.own(folder)
        source = f"host=127.0.0.1 port={self.postgres.port} user={USER}"
        words = ("-D", "/proc/self/cwd", "-d", source, "-c", "fast", "-R", "-X", "stream")
        subprocess.run(
            [*self.standby.account.prefix, str(self.standby.programs / "pg_basebackup"), *words],
            cwd=folder,
            check=True,
            timeout=START_SECONDS,
        )

    def start_replica(self) -> None:
        """Start the replica and wait until it answers."""
        self.spawn("replica", *self.standby.argv, cwd=self.standby.folder)
        until(self.standby.is_ready, "the replica answers", START_SECONDS)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the replica replay nothing until the block is left."""
        self._on_replica("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self._on_replica("SELECT pg_wal_replay_resume()")

    def _on_replica(self, statement: str) -> None:
        link = psycopg2.connect(self.standby.url(DATABASE))
        try:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute(statement)
        finally:
            link.close()


@contextmanager
def replicated(folder: Path) -> Iterator[Replicated]:
    """Run PostgreSQL, its replica, Redis and a web process until the block is left."""
    made = Replicated(folder)
    try:
        made.start_servers()
        made.prepare()
        made.copy()
        made.start_replica()
        made.start("web")
        yield made
    finally:
        made.close()
