"""`labq ops hits`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (
    Column("ENDPOINT", "endpoint"),
    Column("TODAY", "today"),
    Column("YESTERDAY", "yesterday"),
    Column("IN ALL", "total"),
)


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@json_option
def command(days: int) -> None:
    """Show how often pages and endpoints of the API were asked for in the last days (UTC)."""
    with connect() as api:
        show_rows(api.get("/ops/hits", days=days)["items"], COLUMNS)
