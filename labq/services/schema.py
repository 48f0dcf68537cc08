"""The schema of the database: brought up to date, or compared with what this labq expects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from labq.domain.errors import ConfigurationError
from labq.services.database import Role, make_engine

# One number for all labq servers of a database: only one of them migrates at a time.
ADVISORY_LOCK = 5_722_901_311
LOCK_TIMEOUT_MS = 4_000
PACKAGE = Path(__file__).resolve().parents[1]


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at `url` up to `revision`; waits while another process migrates it.

    A statement that cannot get its table's lock within LOCK_TIMEOUT_MS fails, so that a busy
    server is never stopped by a migration that waits; run it again then.
    """
    _migrate(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Migrate the database at `url` down to `revision`; `base` leaves no table of labq."""
    _migrate(url, lambda config: command.downgrade(config, revision))


def check(url: str) -> None:
    """Raise ConfigurationError unless the database has the newest schema this labq knows."""
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    wanted = ScriptDirectory.from_config(configuration()).get_current_head()
    if found != wanted:
        raise ConfigurationError(
            f"the database has schema {found or 'none'}, this labq needs {wanted}: "
            "run `labq db upgrade`"
        )


def configuration() -> Config:
    """Return Alembic's configuration for the migrations of this labq."""
    packaged = PACKAGE / "_migrations"
    config = Config()
    folder = packaged if packaged.is_dir() else PACKAGE.parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _migrate(url: str, move: Callable[[Config], None]) -> None:
    engine = make_engine(url, Role.COMMAND, application="labq migration")
    try:
        with engine.connect() as connection:
            _lock(connection)
            config = configuration()
            config.attributes["connection"] = connection
            move(config)
            connection.commit()
    finally:
        engine.dispose()


def _lock(connection: Connection) -> None:
    """Wait for other migrations first, without a limit, then set the limit of table locks."""
    connection.execute(text("SET lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    connection.commit()
