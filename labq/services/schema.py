"""The schema of the database: brought up to date, or compared with what this labq expects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TextIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ConfigurationError
from labq.models.control import Compatibility
from labq.services import backfills, drift, turns, upgrades
from labq.services.backfills import Progress
from labq.services.database import Role, make_engine
from labq.services.drift import Drift, Kind
from labq.services.fill_marker import refuse_half_filled
from labq.services.restore_marker import refuse_half_restored
from labq.services.upgrades import Announcement
from labq.services.upgrading import NONE, Say, Upgraded, Upgrading, Wishes, current

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
            refuse_half_filled(connection)
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


def find_drift(url: str) -> list[Drift]:
    """Return what of the database is not as this labq wants it.

    Of a newer schema that fits only what is missing: what it added does no harm.
    """
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            is_current = _judge(connection, current(connection)).is_current
            found = drift.find(connection, datetime.now(UTC).date())
    finally:
        engine.dispose()
    harmful = (Kind.MISSING, Kind.BROKEN)
    return [one for one in found if is_current or one.kind in harmful]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The schema and how it moves; `holder` is who changes it now."""

    found: str
    known: str
    holder: str | None
    upgrade: Announcement | None
    backfills: tuple[Progress, ...]


def find_status(session: Session) -> Status:
    """Return how the schema stands and moves; without a schema there is nothing else to tell."""
    connection = session.connection()
    found = current(connection)
    has_rows = connection.scalar(select(func.to_regclass("backfill"))) is not None
    return Status(
        found=found or NONE,
        known=known(),
        holder=turns.find_holder(connection),
        upgrade=upgrades.find(session) if has_rows else None,
        backfills=backfills.find_all(session) if has_rows else (),
    )


@cache
def known() -> str:
    """Return the newest revision that this labq knows."""
    return str(ScriptDirectory.from_config(configuration()).get_current_head())


def configuration() -> Config:
    """Return Alembic's configuration for the migrations of this labq."""
    packaged = PACKAGE / "_migrations"
    config = Config()
    folder = packaged if packaged.is_dir() else PACKAGE.parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _say_nothing(_line: str) -> None:
    """Tell nobody."""
