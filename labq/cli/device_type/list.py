"""`labq device-type list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (
    Column("NAME", "name"),
    Column("DEVICES", "devices"),
    Column("IN SERVICE", "fit"),
    Column("IDLE", "idle"),
    Column("WAITING JOBS", "waiting_jobs"),
    Column("DESCRIPTION", "description"),
)


@click.command()
@json_option
def command() -> None:
    """List device types with their devices and waiting jobs counted."""
    with connect() as api:
        show_rows(list(api.pages("/device-types")), COLUMNS)
