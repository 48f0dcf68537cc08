"""`labq remote-token add`."""

from __future__ import annotations

import sys

import click

from labq.cli.api import Row, connect
from labq.cli.failures import Misused
from labq.cli.output import json_option, show_json, wants_json

EPILOG = """\b
Examples:
  labq remote-token add artifacts < token.txt
  labq remote-token add artifacts            asks for the value"""


@click.command(epilog=EPILOG)
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Store a secret as NAME; its value is read from the terminal or standard input.

    It is never shown again by this command line.
    """
    value = _read()
    if not value:
        raise Misused("the value is empty")
    body: Row = {"name": name, "token": value}
    with connect() as api:
        made = api.post("/remote-tokens", body)
    if wants_json():
        show_json(made)
    else:
        click.echo(f"stored {name}")


def _read() -> str:
    if sys.stdin.isatty():
        value: str = click.prompt("Value", hide_input=True)
        return value
    return sys.stdin.read().removesuffix("\n")
