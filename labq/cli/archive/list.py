"""`labq archive list`."""

from __future__ import annotations

from itertools import islice

import click

from labq.cli.api import connect
from labq.cli.output import Column, json_option, show_rows
from labq.cli.retention.preview import size

JOB_COLUMNS = (
    Column("JOB", "id"),
    Column("NAME", "name"),
    Column("SUBMITTER", "submitter"),
    Column("TYPE", "device_type"),
    Column("OUTCOME", "outcome"),
    Column("ENDED", "ended_at"),
    Column("ARCHIVED", "removed_at"),
)
BUNDLE_COLUMNS = (
    Column("BUNDLE", "name"),
    Column("DAY", "day"),
    Column("JOBS", "jobs"),
    Column("SIZE", "bytes", size),
    Column("WRITTEN", "written_at"),
)


@click.command()
@click.option("--bundles", is_flag=True, help="List the files of the archive (admins).")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@json_option
def command(*, bundles: bool, limit: int) -> None:
    """List jobs that are in the archive only, the newest first."""
    path, columns = (
        ("/archive/bundles", BUNDLE_COLUMNS) if bundles else ("/archive/jobs", JOB_COLUMNS)
    )
    with connect() as api:
        show_rows(list(islice(api.pages(path), limit)), columns)
