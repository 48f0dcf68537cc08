"""A private PostgreSQL in a folder: made once, reached by a unix socket in it, never by TCP."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg2

from labq.domain.errors import InfrastructureError
from labq.supervisor.account import Account, unprivileged
from labq.supervisor.programs import find_postgres

USER = "labq"
# The data folder as the server sees it: started in there, it needs no way through its parents.
HERE = "/proc/self/cwd"
LEAST_CONNECTIONS = 60
RESERVED = 3
"""What PostgreSQL keeps of them for its superuser."""
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": str(LEAST_CONNECTIONS),
    "jit": "off",
    "max_parallel_workers": "2",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "60s",
    "autovacuum_max_workers": "1",
    "bgwriter_delay": "2s",
    "wal_writer_delay": "1s",
    "synchronous_commit": "on",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "max_replication_slots": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "dynamic_shared_memory_type": "mmap",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server: `folder` holds its data and socket, `settings` go over those of SETTINGS."""

    folder: Path
    programs: Path
    account: Account
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the command that runs the server in the foreground, to be started in `folder`."""
        chosen = {**SETTINGS, **self.settings}
        options = [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]
        return (*self.account.prefix, str(self.programs / "postgres"), "-D", HERE, *options)

    def url(self, database: str, user: str = USER) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='/')}"

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        return self._says_ready() and self._answers()

    def create(self, database: str, template: str = "template1") -> None:
        """Create a database that does not exist yet."""
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        finally:
            connection.close()

    def _says_ready(self) -> bool:
        """Tell what the server's own file says; one that was killed leaves its file behind."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


def prepare(folder: Path, settings: Mapping[str, str] | None = None) -> Postgres:
    """Return the server of a folder, whose data is made when it is new.

    Raises ConfigurationError for a missing program, InfrastructureError when making it failed.
    """
    version = folder / "PG_VERSION"
    major = int(version.read_text()) if version.exists() else None
    server = Postgres(folder, find_postgres(major), unprivileged(), settings or {})
    if major is None:
        _initialize(server)
    return server


def _initialize(server: Postgres) -> None:
    """Make the data beside its place and move it there, so that half a folder is never used."""
    fresh = server.folder.with_name(server.folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    server.account.own(fresh)
    initdb = (str(server.programs / "initdb"), "-D", HERE, "-U", USER, "-A", "trust", "-E", "UTF8")
    command = (*server.account.prefix, *initdb, "--locale=C", "--no-instructions")
    made = subprocess.run(
        command, cwd=fresh, capture_output=True, text=True, errors="replace", check=False
    )
    if made.returncode:
        raise InfrastructureError(
            f"initdb in {fresh} failed: {(made.stderr or made.stdout).strip()}"
        )
    fresh.rename(server.folder)
