"""`labq device release`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.device.fields import show_device
from labq.cli.output import json_option, note

EPILOG = """\b
Example:
  labq device release board-1 --force"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--force", is_flag=True, help="Although nobody has switched the board off.")
@click.option("--reason", default="", help="Why, for those who wonder.")
@json_option
def command(name: str, *, force: bool, reason: str) -> None:
    """Free the device NAME that waits for a host which is gone (admins).

    A device whose host was lost stays held until the host has torn its run down: the board may
    still be powered, and somebody there may still be at work on it. Only release it when you know
    that the host is dead or cut off from the board; its health becomes unknown.
    """
    with connect() as api:
        found = api.post(f"/devices/{name}/release", {"force": force, "reason": reason})
        note(f"warning: nobody has switched {name} off; see that nothing else drives it")
        show_device(found, api.server.url)
