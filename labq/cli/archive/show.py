"""`labq archive show`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import Column, json_option, show_fields, show_json, table, wants_json
from labq.cli.retention.preview import size

FIELDS = (
    "id",
    "name",
    "submitter",
    "device_type",
    "outcome",
    "error_type",
    "submitted_at",
    "ended_at",
    "removed_at",
)
PART_COLUMNS = (
    Column("WHAT", "kind"),
    Column("SIZE", "bytes", size),
    Column("REMOVED", "removed_at"),
    Column("BUNDLE", "bundle"),
)


@click.command()
@click.argument("job", type=int)
@click.option("--log", is_flag=True, help="Print the log.")
@click.option("--definition", is_flag=True, help="Print the definition as submitted.")
@json_option
def command(job: int, *, log: bool, definition: bool) -> None:
    """Show the archived JOB; with --json all its rows. Its bundle is not unpacked for that."""
    with connect() as api:
        if log:
            click.echo(api.text(f"/archive/jobs/{job}/log"), nl=False)
            return
        found = api.get(f"/archive/jobs/{job}")
    if definition:
        for row in found["tables"].get("job_definition", ()):
            click.echo(row["definition"], nl=False)
    elif wants_json():
        show_json(found)
    else:
        _show(found)


def _show(found: Row) -> None:
    show_fields(found["job"], FIELDS)
    click.echo(f"\n{table(found['parts'], PART_COLUMNS)}")
    counts = {name: len(rows) for name, rows in found["tables"].items() if rows}
    if counts:
        click.echo(f"\n{', '.join(f'{count} of {name}' for name, count in counts.items())}")
