"""`labq job pin`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_fields


@click.command()
@click.argument("job", type=int)
@click.option("--reason", default="", help="Why it is kept.")
@json_option
def command(job: int, reason: str) -> None:
    """Keep JOB with all it has, whatever policies say (its submitter, admins)."""
    with connect() as api:
        show_fields(api.put(f"/jobs/{job}/pin", {"reason": reason}), ("job", "by", "at", "reason"))
