"""`labq user show`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields
from labq.cli.user.fields import FIELDS


@click.command()
@click.argument("name", required=False)
@json_option
def command(name: str | None) -> None:
    """Show your account, or (admins) the account NAME."""
    with connect() as api:
        found = name or api.get("/system/whoami")["name"]
        if found is None:
            show_fields({"name": None, "is_admin": False}, ("name", "is_admin"))
        else:
            show_fields(api.get(f"/users/{found}"), FIELDS)
