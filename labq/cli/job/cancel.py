"""`labq job cancel`: end jobs early."""

from __future__ import annotations

import sys

import click

from labq.cli.api import Api, Refused, Row, connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("jobs", type=int, nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for the job's page.")
@json_option
def command(jobs: tuple[int, ...], reason: str) -> None:
    """Cancel jobs; those that have ended stay as they are. Exit 1 if one could not be canceled."""
    with connect() as api:
        answers = [_cancel(api, job, reason) for job in jobs]
    if wants_json():
        show_json(answers)
    else:
        for answer in answers:
            click.echo(f"job {answer['id']}: {answer.get('error') or answer['state']}")
    sys.exit(any("error" in answer for answer in answers))


def _cancel(api: Api, job: int, reason: str) -> Row:
    try:
        return {"id": job, **api.post(f"/jobs/{job}/cancel", {"reason": reason})}
    except Refused as error:
        return {"id": job, "error": error.message, "status": error.status}
