"""`labq device-type alias list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (Column("ALIAS", "name"), Column("DEVICE TYPE", "device_type"))


@click.command()
@click.argument("device_type", required=False)
@json_option
def command(device_type: str | None) -> None:
    """List further names, of DEVICE_TYPE or of all."""
    with connect() as api:
        if device_type is None:
            kinds = list(api.pages("/device-types"))
        else:
            kinds = [api.get(f"/device-types/{device_type}")]
    rows = [
        {"name": alias, "device_type": kind["name"]} for kind in kinds for alias in kind["aliases"]
    ]
    show_rows(sorted(rows, key=lambda row: str(row["name"])), COLUMNS)
