"""`labq job unpin`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("job", type=int)
@json_option
def command(job: int) -> None:
    """Let retention have JOB again (its submitter, admins)."""
    with connect() as api:
        api.delete(f"/jobs/{job}/pin")
    if wants_json():
        show_json({"job": job, "pinned": False})
    else:
        note(f"job {job} is not pinned any more")
