"""`labq device set`."""

from __future__ import annotations

from pathlib import Path

import click

from labq.cli import choice
from labq.cli.api import Row, connect
from labq.cli.device import file as device_file
from labq.cli.device.fields import show_device
from labq.cli.failures import Misused
from labq.cli.output import json_option
from labq.domain.states import DeviceHealth

EPILOG = """\b
Examples:
  labq device set board-1 --health maintenance --reason "new SD card"
  labq device set board-1 --health good
  labq device set board-1 --file board-1.jinja2 --tag usb3 --tag hdmi"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--health", type=choice.of(DeviceHealth), help="What it is fit for.")
@click.option("--reason", default="", help="Why its health changes.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="New dictionary.")
@click.option("--host", help="The host it hangs on.")
@click.option("--tag", "tags", multiple=True, help="Labels, in place of all it has.")
@click.option("--no-tags", is_flag=True, help="Take all labels away.")
@click.option("--description", help="For people.")
@json_option
def command(name: str, reason: str, file: Path | None, *, no_tags: bool, **values: object) -> None:
    """Change the device NAME (admins); what is not named stays. What runs on it goes on."""
    body: Row = {key: value for key, value in values.items() if value not in (None, ())}
    if no_tags:
        body["tags"] = []
    if file is not None:
        body["template"] = device_file.read(file)
    if not body:
        raise Misused("nothing to change: see `labq device set --help`")
    if reason:
        body["reason"] = reason
    with connect() as api:
        show_device(api.patch(f"/devices/{name}", body), api.server.url)
