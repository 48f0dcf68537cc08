"""`labq group show`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Show the group NAME with its members."""
    with connect() as api:
        show_fields(api.get(f"/groups/{name}"), ("name", "members"))
