"""`labq job queue`: what waits for which device type, or one type's jobs in their order."""

from __future__ import annotations

from itertools import islice
from urllib.parse import quote

import click

from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows

TYPES = (
    Column("DEVICE TYPE", "device_type"),
    Column("WAITING", "waiting"),
    Column("AT WORK", "active"),
    Column("IDLE", "idle"),
    Column("IN SERVICE", "fit"),
    Column("DEVICES", "devices"),
)
JOBS = (
    Column("POSITION", "position"),
    Column("ID", "id"),
    Column("PRIORITY", "priority"),
    Column("SUBMITTER", "submitter"),
    Column("SUBMITTED", "submitted_at", age),
    Column("NAME", "name"),
    Column("WAITS FOR", "waits_for"),
)
MOST_A_PAGE = 100


@click.command
@click.argument("device_type", required=False)
@click.option("--limit", type=click.IntRange(1), default=25, show_default=True, help="At most.")
@json_option
def command(device_type: str | None, limit: int) -> None:
    """Show how many jobs wait for each device type, or those that wait for DEVICE_TYPE."""
    with connect() as api:
        if device_type is None:
            show_rows(api.get("/queue")["items"], TYPES)
            return
        path = f"/queue/{quote(device_type, safe='')}"
        found = api.pages(path, limit=min(limit, MOST_A_PAGE))
        show_rows(list(islice(found, limit)), JOBS)
