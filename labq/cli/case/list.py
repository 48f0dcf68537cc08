"""`labq case list`: test cases of all jobs, by name or as failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import click

from labq.cli import choice
from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows
from labq.domain.verdicts import Verdict

COLUMNS = (
    Column("JOB", "job"),
    Column("DEVICE TYPE", "device_type"),
    Column("SUITE", "suite"),
    Column("CASE", "name"),
    Column("RESULT", "verdict"),
    Column("MEASUREMENT", "measurement"),
    Column("UNITS", "units"),
    Column("WHEN", "logged_at", age),
)
MOST_A_PAGE = 100
EPILOG = """\b
Examples:
  labq case list --failed --suite 0_boot
  labq case list linux-boot --days 31 --json
Without NAME only those that fail are found: nothing else has an index."""


@click.command(epilog=EPILOG)
@click.argument("name", required=False)
@click.option("--result", type=choice.of(Verdict), help="With this result.")
@click.option("--failed", is_flag=True, help="The same as --result fail.")
@click.option("--suite", help="Of suites of this name.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=14,
    show_default=True,
    help="Of jobs submitted in the last days.",
)
@click.option("--limit", type=click.IntRange(1), default=25, show_default=True, help="At most.")
@json_option
def command(
    name: str | None, result: str | None, days: int, limit: int, *, failed: bool, suite: str | None
) -> None:
    """List test cases called NAME, or that failed, of jobs that you may see."""
    since = datetime.now(UTC) - timedelta(days=days)
    query = {
        "name": name,
        "result": Verdict.FAIL.value if failed else result,
        "suite": suite,
        "since": since.isoformat(),
    }
    with connect() as api:
        found = api.pages("/cases", limit=min(limit, MOST_A_PAGE), **query)
        show_rows(list(islice(found, limit)), COLUMNS)
