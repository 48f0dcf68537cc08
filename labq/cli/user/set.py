"""`labq user set`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.failures import Misused
from labq.cli.output import json_option, show_fields
from labq.cli.user.fields import FIELDS


@click.command()
@click.argument("name")
@click.option("--email", help="Where mail goes.")
@click.option("--admin/--no-admin", "is_admin", default=None, help="May do everything.")
@click.option("--active/--inactive", "is_active", default=None, help="May log in.")
@json_option
def command(name: str, **changes: object) -> None:
    """Change the account NAME (admins); what is not named stays."""
    body = {key: value for key, value in changes.items() if value is not None}
    if not body:
        raise Misused("nothing to change: see `labq user set --help`")
    with connect() as api:
        show_fields(api.patch(f"/users/{name}", body), FIELDS)
