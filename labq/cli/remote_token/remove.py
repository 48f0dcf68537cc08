"""`labq remote-token remove`."""

from __future__ import annotations

from urllib.parse import quote

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("names", nargs=-1, required=True)
@json_option
def command(names: tuple[str, ...]) -> None:
    """Forget the remote tokens NAMES."""
    with connect() as api:
        for name in names:
            api.delete(f"/remote-tokens/{quote(name, safe='')}")
    if wants_json():
        show_json({"removed": list(names)})
    else:
        click.echo(f"removed {', '.join(names)}")
