"""`labq host revoke`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Cut the host NAME off (admins): its Redis user, its credential and its code are void at once.

    It is retired, so that it gets no work. Its runs end as infrastructure failures; their devices stay
    held until `labq device release` frees them. `labq host enroll` lets a machine join as this host
    again.
    """
    with connect() as api:
        api.delete(f"/hosts/{name}/enrolment")
    if wants_json():
        show_json({"host": name, "revoked": True})
    else:
        click.echo(f"host {name} is cut off")
