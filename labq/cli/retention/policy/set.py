"""`labq retention policy set`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option
from labq.cli.retention.policy.fields import body_of, options, show_policy


@click.command()
@click.argument("name")
@click.option("--any-outcome", is_flag=True, help="Jobs of every outcome again.")
@options
@json_option
def command(name: str, **values: object) -> None:
    """Change the policy NAME (admins); what is not named stays."""
    with connect() as api:
        show_policy(api.patch(f"/retention/policies/{name}", body_of(values)))
