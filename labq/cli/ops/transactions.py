"""`labq ops transactions`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.ops.figures import mean, ms
from labq.cli.output import Column, age, json_option, show_json, table, wants_json

SITE_COLUMNS = (
    Column("SITE", "site"),
    Column("COUNT", "count"),
    Column("LAST MINUTE", "last_minute"),
    Column("FAILED", "failed"),
    Column("MEAN MS", "mean_ms", ms),
    Column("LONGEST", "longest_ms", ms),
    Column("WAS", "longest_at", age),
)
MINUTE_COLUMNS = (
    Column("MINUTE", "minute", lambda value: str(value)[11:16]),
    Column("COUNT", "count"),
    Column("MS IN ALL", "ms", ms),
    Column("LONGEST", "longest_ms", ms),
)
OPEN_COLUMNS = (
    Column("OPEN", "application"),
    Column("PID", "pid"),
    Column("SECONDS", "seconds", mean),
    Column("STATE", "state"),
    Column("WAITS FOR", "waits_for"),
    Column("STATEMENT", "statement"),
)
SHOWN_MINUTES = 10


@click.command()
@json_option
def command() -> None:
    """Show transactions by call site and minute, and those that are open now."""
    with connect() as api:
        found = api.get("/ops/transactions")
    if wants_json():
        show_json(found)
        return
    sites = [{**row, "mean_ms": row["ms"] / max(1, row["count"])} for row in found["sites"]]
    click.echo(table(sites, SITE_COLUMNS))
    click.echo(f"\n{table(found['minutes'][:SHOWN_MINUTES], MINUTE_COLUMNS)}")
    if found["open"]:
        click.echo(f"\n{table(found['open'], OPEN_COLUMNS)}")
