"""`labq retention policy add`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option
from labq.cli.retention.policy.fields import body_of, options, show_policy

EPILOG = """\b
Examples:
  labq retention policy add releases --group release --position 5
  labq retention policy add passed --outcome complete --logs 30 --results 365
  labq retention policy add rest --console 7 --logs 90 --jobs 730"""


@click.command(epilog=EPILOG)
@click.argument("name")
@options
@json_option
def command(name: str, **values: object) -> None:
    """Add the policy NAME (admins), after all others unless --position says where.

    One without ages keeps all data of the jobs that it fits.
    """
    body = {"name": name, **body_of({**values, "reason": values["reason"] or ""})}
    with connect() as api:
        show_policy(api.post("/retention/policies", body))
