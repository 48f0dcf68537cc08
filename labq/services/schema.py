"""The schema of the database: brought up to date, or compared with what this labq expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from labq.domain.errors import ConfigurationError
from labq.models.control import Compatibility
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The schema a database has and the one this labq knows; both are names of revisions.

    `is_current`: they are the same. A newer schema fits as long as it only added to what there was.
    """

    found: str
    known: str
    is_current: bool


def check(url: str) -> Standing:
    """Return how the database stands; raises ConfigurationError when this labq cannot work on it."""
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            return _judge(connection, found)
    finally:
        engine.dispose()


def _judge(connection: Connection, found: str | None) -> Standing:
    script = ScriptDirectory.from_config(configuration())
    known = str(script.get_current_head())
    if found == known:
        return Standing(found=known, known=known, is_current=True)
    if found is None or found in {each.revision for each in script.walk_revisions()}:
        raise ConfigurationError(
            f"the database has schema {found or 'none'}, this labq needs {known}: "
            "run `labq db upgrade`"
        )
    oldest = connection.scalar(select(Compatibility.oldest))
    if oldest is None or known < oldest:
        raise ConfigurationError(
            f"the database has schema {found}, this labq knows {known} and would need to know "
            f"{oldest or found}: upgrade labq on this machine"
        )
    return Standing(found=found, known=known, is_current=False)


def configuration() -> Config:
    """Return Alembic's configuration for the migrations of this labq."""
    packaged = PACKAGE / "_migrations"
    config = Config()
    folder = packaged if packaged.is_dir() else PACKAGE.parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _migrate(url: str, move: Callable[[Config], None]) -> None:
    engine = make_engine(url, Role.MIGRATION)
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
