"""`labq device group list`."""

from __future__ import annotations

from itertools import groupby

import click

from labq.cli.api import connect
from labq.cli.device.group.members import find
from labq.cli.output import Column, json_option, show_rows

COLUMNS = (
    Column("GROUP", "group"),
    Column("KIND", "kind"),
    Column("HOST", "host"),
    Column("DEVICES", "devices"),
    Column("BUSY", "busy"),
)


@click.command()
@json_option
def command() -> None:
    """List groups of virtual devices that share a network."""
    with connect() as api:
        found = sorted(find(api.pages("/devices")), key=lambda device: str(device["group"]))
    rows = []
    for name, members in groupby(found, key=lambda device: str(device["group"])):
        devices = list(members)
        rows.append(
            {
                "group": name,
                "kind": devices[0]["device_type"],
                "host": devices[0]["host"],
                "devices": [device["name"] for device in devices],
                "busy": sum(device["state"] != "idle" for device in devices),
            }
        )
    show_rows(rows, COLUMNS)
