"""`labq retention policy list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_rows
from labq.cli.retention.policy.fields import COLUMNS


@click.command()
@json_option
def command() -> None:
    """List policies in the order in which they are tried (admins)."""
    with connect() as api:
        show_rows(api.get("/retention/policies")["items"], COLUMNS)
