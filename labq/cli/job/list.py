"""`labq job list`: jobs, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import click

from labq.cli import choice
from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_json, show_rows, wants_json
from labq.domain.states import JobState, Outcome

COLUMNS = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("OUTCOME", "outcome"),
    Column("ERROR", "error_type"),
    Column("DEVICE TYPE", "device_type"),
    Column("DEVICE", "device"),
    Column("SUBMITTER", "submitter"),
    Column("SUBMITTED", "submitted_at", age),
    Column("NAME", "name"),
)
MOST_A_PAGE = 100
EPILOG = """\b
Examples:
  labq job list --mine --state running
  labq job list --device-type qemu --outcome incomplete --limit 100
  labq job list --search 'type:rk3399 infra:power since:14d meta.build:1234'
  labq job list --search 'boot test' --count
The search language: docs/how-to/find-jobs.md. Lists go back for 14 days (since:all for all),
but those of jobs that are not finished."""


@click.command(epilog=EPILOG)
@click.option("--search", "q", metavar="TEXT", help="As in the search box of the page of jobs.")
@click.option("--state", type=choice.of(JobState), multiple=True, help="Any of these.")
@click.option("--outcome", type=choice.of(Outcome), multiple=True, help="Any of these.")
@click.option("--device-type", help="Of this device type.")
@click.option("--device", help="That ran on this device.")
@click.option("--host", help="That ran on this host.")
@click.option("--submitter", help="Submitted by this user.")
@click.option("--mine", is_flag=True, help="Submitted by you.")
@click.option("--name", help="With this in their name.")
@click.option("--limit", type=click.IntRange(1), default=25, show_default=True, help="At most.")
@click.option("--count", "is_count", is_flag=True, help="Say how many there are instead.")
@json_option
def command(
    limit: int, submitter: str | None, *, mine: bool, is_count: bool, **wanted: object
) -> None:
    """List jobs that you may see, the newest first."""
    query = {name: value or None for name, value in wanted.items()}
    query["submitter"] = "me" if mine else submitter
    with connect() as api:
        if is_count:
            _show_count(api.get("/jobs/count", **query))
            return
        found = api.pages("/jobs", limit=min(limit, MOST_A_PAGE), **query)
        show_rows(list(islice(found, limit)), COLUMNS)


def _show_count(found: Mapping[str, object]) -> None:
    if wants_json():
        show_json(found)
    else:
        click.echo(f"{found['jobs']}{'+' if found['is_more'] else ''}")
