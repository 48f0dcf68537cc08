"""`labq ops locks`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.ops.figures import mean
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (
    Column("WAITS", "application"),
    Column("PID", "pid"),
    Column("SECONDS", "seconds", mean),
    Column("WANTED", "wanted"),
    Column("STATEMENT", "statement"),
    Column("FOR", "holder_application"),
    Column("PID", "holder_pid"),
    Column("STATE", "holder_state"),
    Column("STATEMENT THERE", "holder_statement"),
)


@click.command()
@json_option
def command() -> None:
    """Show who waits for a lock in the database, and who holds it."""
    with connect() as api:
        show_rows(api.get("/ops/locks")["items"], COLUMNS)
