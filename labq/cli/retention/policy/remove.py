"""`labq retention policy remove`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Remove the policy NAME (admins); what it has removed stays in the archive."""
    with connect() as api:
        api.delete(f"/retention/policies/{name}")
    if wants_json():
        show_json({"removed": name})
    else:
        note(f"policy {name} is removed")
