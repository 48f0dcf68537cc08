"""`labq group list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (Column("NAME", "name"), Column("MEMBERS", "member_count"))


@click.command()
@json_option
def command() -> None:
    """List groups."""
    with connect() as api:
        show_rows(list(api.pages("/groups")), COLUMNS)
