"""`labq group create`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Make the empty group NAME (admins)."""
    with connect() as api:
        show_fields(api.post("/groups", {"name": name}), ("name", "members"))
