"""`labq ops statements`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.ops.figures import mean, ms
from labq.cli.output import Column, json_option, show_json, table, wants_json

COLUMNS = (
    Column("ID", "id"),
    Column("CALLS", "count"),
    Column("MS IN ALL", "ms", ms),
    Column("MEAN", "mean_ms", ms),
    Column("LONGEST", "longest_ms", ms),
    Column("ROWS", "mean_rows", mean),
    Column("STATEMENT", "text"),
)
SERVER_COLUMNS = (
    Column("CALLS", "count"),
    Column("MS IN ALL", "ms", ms),
    Column("MEAN", "mean_ms", ms),
    Column("LONGEST", "longest_ms", ms),
    Column("STATEMENT", "text"),
)


@click.command()
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
def command(limit: int) -> None:
    """Show the statements that took the most time in all; `labq ops explain ID` shows a plan."""
    with connect() as api:
        found = api.get("/ops/statements", limit=limit)
    if wants_json():
        show_json(found)
        return
    click.echo(table(found["items"], COLUMNS))
    server = found["server"]
    click.echo(f"\npg_stat_statements  {server['pg_stat_statements']}")
    click.echo(f"auto_explain        {server['auto_explain']}")
    if server["statements"]:
        click.echo(f"\n{table(server['statements'], SERVER_COLUMNS)}")
