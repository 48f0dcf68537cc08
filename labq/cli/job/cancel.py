"""`labq job cancel`: end jobs early."""

from __future__ import annotations

import sys

import click

from labq.cli.api import Api, Refused, Row, connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("jobs", type=int, nargs=-1, required=True)
@json_option
def command(jobs: tuple[int, ...]) -> None:
    """Cancel jobs; those that have ended stay as they are. Exit 1 if one could not be canceled."""
    with connect() as api:
        answers = [_cancel(api, job) for job in jobs]
    if wants_json():
        show_json(answers)
    else:
        for answer in answers:
            click.echo(
                f"job {answer['id']}: {answer.get('error') or answer['outcome'] or answer['state']}"
            )
    sys.exit(any("error" in answer for answer in answers))


def _cancel(api: Api, job: int) -> Row:
    try:
        found = api.post(f"/jobs/{job}/cancel")
        return {"id": job, "state": found["state"], "outcome": found["outcome"]}
    except Refused as error:
        return {"id": job, "error": error.message, "status": error.status}
