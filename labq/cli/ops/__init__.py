"""`labq ops`: what the server spends its time on."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("requests", "labq.cli.ops.requests", "Show what requests took."),
    Entry("transactions", "labq.cli.ops.transactions", "Show what transactions took."),
    Entry("statements", "labq.cli.ops.statements", "Show the statements that took the most time."),
    Entry("explain", "labq.cli.ops.explain", "Show the plan of a recorded statement."),
    Entry("locks", "labq.cli.ops.locks", "Show who waits for a lock."),
    Entry("tables", "labq.cli.ops.tables", "Show how large tables are and how fast they grow."),
    Entry("hits", "labq.cli.ops.hits", "Show how often endpoints were asked for."),
    Entry("profile", "labq.cli.ops.profile", "Profile one request."),
    Entry("sql-log", "labq.cli.ops.sql_log", "Let the server log its statements for a while."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """See what the server spends its time on, for admins."""
