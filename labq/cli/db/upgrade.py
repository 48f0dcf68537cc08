"""`labq db upgrade`."""

from __future__ import annotations

import click

from labq.cli.database import reached
from labq.cli.output import json_option, show_json, wants_json
from labq.services import schema


@click.command()
@json_option
def command() -> None:
    """Bring the schema up to date; a running server goes on meanwhile."""
    with reached() as url:
        schema.upgrade(url)
    if wants_json():
        show_json({"upgraded": True})
    else:
        click.echo("the schema is up to date")
