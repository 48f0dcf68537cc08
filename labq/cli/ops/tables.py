"""`labq ops tables`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.ops.figures import size
from labq.cli.output import Column, age, json_option, show_rows

COLUMNS = (
    Column("NAME", "name"),
    Column("KIND", "kind"),
    Column("OF", "owner"),
    Column("SIZE", "bytes", size),
    Column("ROWS", "rows"),
    Column("GROWTH A DAY", "bytes_per_day", size),
    Column("SINCE", "since", age),
)


@click.command()
@json_option
def command() -> None:
    """Show tables and indexes, the largest first, and what a day adds to them."""
    with connect() as api:
        show_rows(api.get("/ops/tables")["items"], COLUMNS)
