"""`labq job resubmit`: the definition of a job once more."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.job.submit import report
from labq.cli.output import json_option


@click.command()
@click.argument("job", type=int)
@click.option("--follow", is_flag=True, help="Show the live log; exit by the outcome.")
@json_option
def command(job: int, *, follow: bool) -> None:
    """Submit the definition of JOB again."""
    with connect() as api:
        report(api, api.post(f"/jobs/{job}/resubmit"), follow=follow)
