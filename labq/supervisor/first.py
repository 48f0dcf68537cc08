"""Runs once before the parts: migrates the database, adds the first rows, keeps the admin's token."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from labq import config
from labq.config import Settings
from labq.domain.errors import LabqError
from labq.services import bootstrap, database_roles, schema
from labq.services.bootstrap import Admin
from labq.services.connections import CONDUCTOR, WEB, Shares, shares
from labq.services.database import Role, make_engine, session_factory
from labq.supervisor import own_host, virtual
from labq.supervisor.programs import cache_folder
from labq.supervisor.state import write_json


def main(devices: str, admin_file: str, webs: str, conductors: str) -> int:
    """Do it; what goes wrong is said on standard error, one line."""
    numbers = {WEB.name: int(webs), CONDUCTOR.name: int(conductors)}
    try:
        _prepare(config.load(), devices, Path(admin_file), shares(numbers))
    except (LabqError, SQLAlchemyError, CommandError) as error:
        print(f"the database cannot be prepared: {_describe(error)}", file=sys.stderr)  # noqa: T201 - for the log
        return 1
    return 0


def read_admin(path: Path) -> Admin | None:
    """Return the admin kept by an earlier call."""
    try:
        value = json.loads(path.read_text())
        return Admin(str(value["user"]), str(value["token"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _describe(error: Exception) -> str:
    """Return what went wrong on one line."""
    if isinstance(error, CommandError):
        return f"its schema is of another labq ({error}): use the labq that made it"
    if isinstance(error, DBAPIError) and error.orig is not None:
        return " ".join(str(error.orig).split())
    return " ".join(str(error).split())


def _prepare(settings: Settings, devices: str, admin_file: Path, parts: Shares) -> None:
    schema.upgrade(settings.database_url)
    engine = make_engine(settings.database_url, Role.COMMAND)
    try:
        if database_roles.are_named(settings):
            with engine.begin() as connection:
                database_roles.ensure(connection, parts)
        with session_factory(engine).begin() as session:
            bootstrap.prepare(
                session,
                host=settings.host,
                address=settings.host_address,
                devices=virtual.devices(devices, cache_folder(), settings.state),
            )
            known = read_admin(admin_file)
            admin = bootstrap.find_admin(session, known, now=datetime.now(UTC))
            own_host.join(session, settings)
    finally:
        engine.dispose()
    if admin != known:
        write_json(admin_file, {"user": admin.user, "token": admin.token})
