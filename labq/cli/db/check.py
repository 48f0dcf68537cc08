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
    """Say whether this labq can work on the database; exit 1 if not.

    A schema of a newer labq fits while a server is upgraded: what it added does no harm here.
    """
    with reached() as url:
        try:
            found = schema.check(url)
        except ConfigurationError as error:
            raise Failed(str(error)) from error
    if wants_json():
        show_json({"current": found.is_current, "found": found.found, "known": found.known})
    elif found.is_current:
        click.echo("the schema is the one this labq needs")
    else:
        click.echo(f"the schema is {found.found}, newer than {found.known} of this labq, and fits")
