"""`labq device group remove`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.device.group.members import find
from labq.cli.failures import Failed
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Take the devices of the group NAME out of use (admins): they are retired.

    What runs on them goes on to its end; with its last emulator the network is gone.
    """
    with connect() as api:
        devices = [str(device["name"]) for device in find(api.pages("/devices"), name)]
        if not devices:
            raise Failed(f"there is no device group {name!r}")
        for device in devices:
            api.patch(f"/devices/{device}", {"health": "retired", "reason": "its group is removed"})
    if wants_json():
        show_json({"group": name, "devices": devices})
    else:
        note(f"retired {', '.join(devices)}")
