"""`labq group remove`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields


@click.command()
@click.argument("name")
@click.argument("users", nargs=-1, required=True)
@json_option
def command(name: str, users: tuple[str, ...]) -> None:
    """Take users out of the group NAME (admins)."""
    with connect() as api:
        answers = [api.delete(f"/groups/{name}/members/{user}") for user in users]
    show_fields(answers[-1], ("name", "members"))
