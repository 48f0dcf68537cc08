"""`labq db`: the schema of the database, and backups."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("upgrade", "labq.cli.db.upgrade", "Bring the schema up to date."),
    Entry("check", "labq.cli.db.check", "Say whether the schema is the one this labq needs."),
    Entry("status", "labq.cli.db.status", "Say whether an upgrade or a back-fill runs."),
    Entry("backfill", "labq.cli.db.backfill", "Carry out a back-fill here, to its end."),
    Entry("lint", "labq.cli.db.lint", "Say which revision would stop a running server."),
    Entry("picture", "labq.cli.db.picture", "Draw the tables as SVG."),
    Entry("recount", "labq.cli.db.recount", "Build the counts of jobs anew, or check them."),
    Entry("roles", "labq.cli.db.roles", "Write the SQL for roles of web, conductor and reports."),
    Entry("dump", "labq.cli.db.dump", "Write a bundle of the database, logs and artifacts."),
    Entry("fill", "labq.cli.db.fill", "Fill an empty database for benchmarks and trials."),
    Entry("clone", "labq.cli.db.clone", "Copy a filled database in seconds."),
    Entry("restore", "labq.cli.db.restore", "Bring a bundle, or a dump, into an empty database."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Bring the database up to date, check it, back it up and restore it.

    It is the one of LABQ_DATABASE_URL, else that of `labq up` in the state folder.
    """
