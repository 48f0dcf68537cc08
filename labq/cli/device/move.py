"""`labq device move`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.device.fields import show_device
from labq.cli.output import json_option, note

EPILOG = """\b
Examples:
  labq device move board-1 rack-2
  labq device move board-1 rack-2 --when-idle"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.argument("host")
@click.option(
    "--when-idle", is_flag=True, help="Move it once the run that it is busy with is over."
)
@json_option
def command(name: str, host: str, *, when_idle: bool) -> None:
    """Hang the device NAME on another HOST (admins).

    While a run holds the device this is refused, unless it may wait. Naming the host that it hangs
    on takes back a move that waits.
    """
    with connect() as api:
        found = api.patch(f"/devices/{name}", {"host": host, "when_idle": when_idle})
        show_device(found, api.server.url)
    if found["device"]["next_host"]:
        note(f"{name} moves to {host} once its run is over")
