"""`labq device-type alias add`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields

EPILOG = """\b
Example:
  labq device-type alias add beaglebone beaglebone-black"""


@click.command(epilog=EPILOG)
@click.argument("alias")
@click.argument("device_type")
@json_option
def command(alias: str, device_type: str) -> None:
    """Give DEVICE_TYPE the further name ALIAS (admins)."""
    with connect() as api:
        found = api.put(f"/device-types/{device_type}/aliases/{alias}", {})
    show_fields(found, ("name", "device_type"))
