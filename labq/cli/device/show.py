"""`labq device show`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.device.fields import show_device
from labq.cli.failures import Misused
from labq.cli.output import json_option, show_json, wants_json

EPILOG = """\b
Examples:
  labq device show board-1
  labq device show board-1 --dictionary --context arch=arm64"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--dictionary", is_flag=True, help="Print the rendered dictionary.")
@click.option("--template", is_flag=True, help="Print the dictionary's template as stored.")
@click.option("--context", multiple=True, metavar="NAME=VALUE", help="Of a job, for --dictionary.")
@json_option
def command(name: str, context: tuple[str, ...], *, dictionary: bool, template: bool) -> None:
    """Show the device NAME."""
    with connect() as api:
        if dictionary:
            text = api.text(f"/devices/{name}/dictionary", **_query(context))
            _show_text("dictionary", text)
            return
        found = api.get(f"/devices/{name}")
        if template:
            _show_text("template", found["template"])
        else:
            show_device(found, api.server.url)


def _query(context: tuple[str, ...]) -> dict[str, object]:
    query: dict[str, object] = {}
    for word in context:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise Misused(f"--context {word}: not NAME=VALUE")
        query[f"context.{name}"] = value
    return query


def _show_text(name: str, text: str) -> None:
    if wants_json():
        show_json({name: text})
    else:
        click.echo(text.rstrip("\n"))
