"""`labq db check`."""

from __future__ import annotations

import click

from labq.cli.database import reached
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.errors import ConfigurationError
from labq.services import schema


@click.command()
@json_option
def command() -> None:
    """Say whether the schema is the one this labq needs; exit 1 if not."""
    with reached() as url:
        try:
            schema.check(url)
        except ConfigurationError as error:
            raise Failed(str(error)) from error
    if wants_json():
        show_json({"current": True})
    else:
        click.echo("the schema is the one this labq needs")
