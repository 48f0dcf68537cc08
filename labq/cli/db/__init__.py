"""`labq db`: the schema of the database."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("upgrade", "labq.cli.db.upgrade", "Bring the schema up to date."),
    Entry("check", "labq.cli.db.check", "Say whether the schema is the one this labq needs."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Bring the database up to date, check it.

    It is the one of LABQ_DATABASE_URL, else that of `labq up` in the state folder.
    """
