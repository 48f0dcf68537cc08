"""`labq device-type alias remove`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("alias")
@json_option
def command(alias: str) -> None:
    """Take the further name ALIAS away (admins); jobs that were submitted under it stay."""
    with connect() as api:
        api.delete(f"/device-type-aliases/{alias}")
    if wants_json():
        show_json({"removed": alias})
    else:
        note(f"{alias} is no device type's name any more")
