"""Whether the database has room for all parts, and whether readers can take the conductor's."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from labq import config
from labq.cli.checks.finding import Finding, State
from labq.config import Settings
from labq.services import connections, database_roles
from labq.services.connections import Use
from labq.services.database import Role, make_engine

NAME = "connections"


def pools() -> Iterator[Finding]:
    """Compare what the parts at work may take of the database with what it gives out."""
    settings = config.load()
    if not settings.database_url:
        return
    yield _roles(settings)
    engine = make_engine(settings.database_url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            yield _room(connections.find_use(connection))
    except SQLAlchemyError as error:
        said = str(error).partition("\n")[0]
        yield Finding(NAME, State.WEAK, f"the database does not answer: {said}")
    finally:
        engine.dispose()


def _roles(settings: Settings) -> Finding:
    if database_roles.are_named(settings):
        return Finding("database roles", State.GOOD, "web, conductor and reports have their own")
    found = "web, conductor and reports share one: readers can take the conductor's connections"
    return Finding("database roles", State.WEAK, found, "make them with `labq db roles`")


def _room(use: Use) -> Finding:
    parts = ", ".join(f"{number} {name}" for name, number in use.numbers.items() if number)
    found = f"{parts or 'no part at work'}: may take {use.may_take} of {use.given_out}"
    if use.may_take <= use.given_out:
        return Finding(NAME, State.GOOD, found)
    advice = f"raise max_connections by {use.may_take - use.given_out}, or run fewer processes"
    return Finding(NAME, State.WEAK, found, advice)
