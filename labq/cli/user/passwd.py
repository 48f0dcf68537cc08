"""`labq user passwd`."""

from __future__ import annotations

import sys

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("name", required=False)
@json_option
def command(name: str | None) -> None:
    """Change your password, or (admins) the one of NAME; ends the account's web sessions.

    The password is asked for on a terminal, else read from standard input.
    """
    with connect() as api:
        found = name or api.get("/system/whoami")["name"]
        api.put(f"/users/{found}/password", {"password": _password()})
    if wants_json():
        show_json({"user": found})
    else:
        click.echo(f"the password of {found} is changed")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
