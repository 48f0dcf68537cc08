"""`labq device list`."""

from __future__ import annotations

import click

from labq.cli import choice
from labq.cli.api import connect
from labq.cli.device.fields import COLUMNS
from labq.cli.output import json_option, show_rows
from labq.domain.states import DeviceHealth, DeviceState


@click.command()
@click.option("--device-type", help="Of this device type.")
@click.option("--host", help="On this host.")
@click.option("--state", type=choice.of(DeviceState), help="In this state.")
@click.option("--health", type=choice.of(DeviceHealth), help="Of this health.")
@click.option("--tag", help="With this tag.")
@json_option
def command(**wanted: str | None) -> None:
    """List devices by name."""
    with connect() as api:
        show_rows(list(api.pages("/devices", **wanted)), COLUMNS)
