"""`labq user create`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields
from labq.cli.user.fields import FIELDS


@click.command()
@click.argument("name")
@click.option("--email", default="", help="Where mail goes.")
@click.option("--admin", "is_admin", is_flag=True, help="May do everything.")
@click.option("--password", is_flag=True, help="Ask for a password (else: tokens only).")
@json_option
def command(name: str, email: str, *, is_admin: bool, password: bool) -> None:
    """Make the account NAME (admins)."""
    secret = _ask() if password else None
    body = {"name": name, "email": email, "is_admin": is_admin, "password": secret}
    with connect() as api:
        show_fields(api.post("/users", body), FIELDS)


def _ask() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
