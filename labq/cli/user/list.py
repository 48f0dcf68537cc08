"""`labq user list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_rows
from labq.cli.user.fields import COLUMNS


@click.command()
@json_option
def command() -> None:
    """List accounts (admins)."""
    with connect() as api:
        show_rows(list(api.pages("/users")), COLUMNS)
