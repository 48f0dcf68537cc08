"""`labq remote-token list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows

COLUMNS = (Column("NAME", "name"), Column("CREATED", "created_at", age))


@click.command()
@json_option
def command() -> None:
    """List your remote tokens, without their values."""
    with connect() as api:
        show_rows(api.get("/remote-tokens")["items"], COLUMNS)
