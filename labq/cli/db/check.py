"""`labq db check`."""

from __future__ import annotations

from dataclasses import asdict

import click

from labq.cli.database import answering, reached
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.errors import ConfigurationError
from labq.services import schema


@click.command()
@json_option
def command() -> None:
    """Say whether this labq can work on the database, and what differs from what it wants; exit 1 if so.

    A schema of a newer labq fits while a server is upgraded: what it added does no harm here.
    """
    with reached() as url, answering():
        try:
            found = schema.check(url)
        except ConfigurationError as error:
            raise Failed(str(error)) from error
        drift = schema.find_drift(url)
    facts = {
        "current": found.is_current,
        "found": found.found,
        "known": found.known,
        "drift": [asdict(one) for one in drift],
    }
    if drift:
        told = "\n".join(one.describe() for one in drift)
        raise Failed(f"the schema {found.found} is not as it should be:\n{told}", facts)
    if wants_json():
        show_json(facts)
    elif found.is_current:
        click.echo("the schema is the one this labq needs")
    else:
        click.echo(f"the schema is {found.found}, newer than {found.known} of this labq, and fits")
