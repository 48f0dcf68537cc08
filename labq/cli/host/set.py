"""`labq host set`."""

from __future__ import annotations

import click

from labq.cli import choice
from labq.cli.api import connect
from labq.cli.host.show import FIELDS
from labq.cli.output import json_option, show_fields
from labq.domain.states import HostHealth


@click.command()
@click.argument("name")
@click.option("--health", type=choice.of(HostHealth), required=True, help="The new one.")
@click.option("--reason", default="", help="Why, for those who wonder.")
@json_option
def command(name: str, health: str, reason: str) -> None:
    """Set whether the host NAME may be given work (admins); what runs there goes on."""
    with connect() as api:
        body = {"health": health, "reason": reason}
        show_fields(api.patch(f"/hosts/{name}", body), FIELDS)
