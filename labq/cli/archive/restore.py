"""`labq archive restore`."""

from __future__ import annotations

import sys

import click

from labq.cli.api import Api, Refused, Row, connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("jobs", type=int, nargs=-1, required=True)
@json_option
def command(jobs: tuple[int, ...]) -> None:
    """Bring JOBS back under their ids, pinned (admins): all of a job or nothing.

    Of a job that is there, what is missing comes back. Exit 1 if one could not be restored.
    """
    with connect() as api:
        answers = [_restore(api, job) for job in jobs]
    if wants_json():
        show_json(answers)
    else:
        for answer in answers:
            done = ", ".join(answer.get("kinds", ()))
            click.echo(f"job {answer['job']}: {answer.get('error') or f'restored {done}'}")
    sys.exit(any("error" in answer for answer in answers))


def _restore(api: Api, job: int) -> Row:
    try:
        return api.post(f"/archive/jobs/{job}/restore")
    except Refused as error:
        return {"job": job, "error": error.message, "status": error.status}
