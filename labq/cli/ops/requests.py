"""`labq ops requests`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.ops.figures import mean, ms, size
from labq.cli.output import Column, age, json_option, note, show_json, table, wants_json

REQUEST_COLUMNS = (
    Column("ID", "id"),
    Column("REQUEST", "request"),
    Column("WHEN", "at", age),
    Column("USER", "user"),
    Column("STATUS", "status"),
    Column("MS", "ms", ms),
    Column("CPU", "cpu_ms", ms),
    Column("DATABASE", "query_ms", ms),
    Column("QUERIES", "queries"),
    Column("ROWS", "rows"),
    Column("SIZE", "bytes", size),
    Column("CACHE", "cache"),
)
ENDPOINT_COLUMNS = (
    Column("ENDPOINT", "endpoint"),
    Column("REQUESTS", "count"),
    Column("FAILED", "failed"),
    Column("P50 MS", "p50_ms", ms),
    Column("P95", "p95_ms", ms),
    Column("P99", "p99_ms", ms),
    Column("LONGEST", "longest_ms", ms),
    Column("CPU", "mean_cpu_ms", ms),
    Column("DATABASE", "mean_query_ms", ms),
    Column("QUERIES", "mean_queries", mean),
    Column("SIZE", "mean_bytes", size),
)
CALL_COLUMNS = (
    Column("STATEMENT", "id"),
    Column("MS", "ms", ms),
    Column("ROWS", "rows"),
)
EPILOG = """\b
Examples:
  labq ops requests --slow
  labq ops requests --endpoint api.jobs.index
  labq ops requests 1f2e3d4c5b6a7988     one request: its statements, samples of its stack"""


@click.command(epilog=EPILOG)
@click.argument("request", required=False)
@click.option("--slow", is_flag=True, help="Only those over the threshold.")
@click.option("--endpoint", help="Only those of this endpoint.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
def command(request: str | None, endpoint: str | None, limit: int, *, slow: bool) -> None:
    """Show the newest requests and what those of each endpoint took, or one REQUEST by its id.

    The id is in the header `Labq-Request` of each answer, and in the log.
    """
    with connect() as api:
        if request is not None:
            _show_one(api.get(f"/ops/requests/{request}"))
            return
        asked = {"slow": "true" if slow else None, "endpoint": endpoint, "limit": limit}
        found = api.get("/ops/requests", **asked)
    if wants_json():
        show_json(found)
        return
    if found["endpoints"]:
        click.echo(f"{table(found['endpoints'], ENDPOINT_COLUMNS)}\n")
    click.echo(table([_line(row) for row in found["items"]], REQUEST_COLUMNS))
    if not found["is_complete"]:
        note("Redis does not answer: this is what one process did")


def _show_one(row: Row) -> None:
    if wants_json():
        show_json(row)
        return
    click.echo(table([_line(row)], REQUEST_COLUMNS))
    if row["statements"]:
        click.echo(f"\n{table(row['statements'], CALL_COLUMNS)}")
    for stack in row["stacks"]:
        click.echo(f"\n{stack}")


def _line(row: Row) -> Row:
    query = f"?{row['query']}" if row["query"] else ""
    cache = ", ".join(f"{name} {count}" for name, count in row["cache"].items())
    return {**row, "request": f"{row['method']} {row['path']}{query}", "cache": cache}
