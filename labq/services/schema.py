"""The schema of the database: brought up to date, or compared with what this labq expects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select

from labq.domain.errors import ConfigurationError
from labq.models.control import Compatibility
from labq.services import turns
from labq.services.database import Role, make_engine
from labq.services.restore_marker import refuse_half_restored
from labq.services.upgrading import Say, Upgraded, Upgrading, Wishes, current

PACKAGE = Path(__file__).resolve().parents[1]


def upgrade(
    url: str, revision: str = "head", *, wishes: Wishes | None = None, say: Say | None = None
) -> Upgraded:
    """Migrate the database at `url` up to `revision`; others go on with their work meanwhile.

    Unless `wishes` say otherwise it waits while somebody else migrates. `say` is told how far it is.
    """
    asked = wishes or Wishes(target=revision)
    return Upgrading(url, configuration(), asked, say or _say_nothing).run()


def downgrade(url: str, revision: str) -> None:
    """Migrate the database at `url` down to `revision`; `base` leaves no table of labq."""
    engine = make_engine(url, Role.MIGRATION)
    try:
        with engine.connect() as connection:
            turns.take(connection, waits=True)
            config = configuration()
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


def write_sql(url: str, revision: str, out: TextIO) -> None:
    """Write the statements that `upgrade` would run on this database, as it is now.

    Raises ConfigurationError for a revision that looks at the data before it knows what to do.
    """
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            found = current(connection)
            config = configuration()
            config.output_buffer = out
            config.attributes["reader"] = connection
            command.upgrade(config, f"{found}:{revision}" if found else revision, sql=True)
    finally:
        engine.dispose()


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
            refuse_half_restored(connection)
            found = current(connection)
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


def _say_nothing(_line: str) -> None:
    """Tell nobody."""
