"""`labq host show`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields

FIELDS = (
    "name",
    "state",
    "health",
    "address",
    "description",
    "version",
    "reported_at",
    "devices",
    "open_runs",
    "slots",
)


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Show the host NAME."""
    with connect() as api:
        show_fields(api.get(f"/hosts/{name}"), FIELDS)
