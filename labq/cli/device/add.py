"""`labq device add`."""

from __future__ import annotations

from pathlib import Path

import click

from labq import config
from labq.cli import choice
from labq.cli.api import connect
from labq.cli.device import file as device_file
from labq.cli.device.fields import show_device
from labq.cli.failures import Misused
from labq.cli.output import json_option
from labq.domain.states import DeviceHealth
from labq.jobdef.device import find_extended

EPILOG = """\b
Examples:
  labq device add board-1 board-1.jinja2
  echo "{% extends 'shell.jinja2' %}" | labq device add sh-1 - --health good"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--type", "device_type", help="Device type; default: what the file extends.")
@click.option("--host", help="The host it hangs on; default: LABQ_HOST, else `local`.")
@click.option("--tag", "tags", multiple=True, help="A label that jobs may ask for.")
@click.option("--description", default="", help="For people.")
@click.option("--health", type=choice.of(DeviceHealth), default=DeviceHealth.UNKNOWN.value)
@json_option
def command(name: str, file: Path, device_type: str | None, **values: object) -> None:
    """Add the device NAME with the dictionary in FILE (admins; `-`: standard input).

    A device type that is new is made known too. Jobs are given to devices of health good or
    unknown.
    """
    template = device_file.read(file)
    kind = device_type or find_extended(template)
    if kind is None:
        raise Misused(f"{file} extends no device type: say it with --type")
    body = {**values, "name": name, "device_type": kind, "template": template}
    body["host"] = values["host"] or config.load().host
    body["tags"] = list(tags) if isinstance(tags := values["tags"], tuple) else []
    with connect() as api:
        show_device(api.post("/devices", body), api.server.url)
