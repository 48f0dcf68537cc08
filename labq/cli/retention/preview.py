"""`labq retention preview`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import Column, json_option, note, show_json, table, wants_json


def size(value: object) -> str:
    """Show bytes in the unit that fits."""
    number, units = float(str(value)), ["B", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.3g} {units[0]}"


COLUMNS = (
    Column("POLICY", "policy"),
    Column("WHAT", "kind"),
    Column("NOW", "due_jobs"),
    Column("BYTES", "due_bytes", size),
    Column("30 DAYS", "soon_jobs"),
    Column("BYTES", "soon_bytes", size),
    Column("LATER", "later_jobs"),
    Column("BYTES", "later_bytes", size),
    Column("PINNED", "pinned_jobs"),
    Column("NEXT", "next_on"),
)


@click.command()
@json_option
def command() -> None:
    """Say how many jobs and bytes each policy removes: now, in 30 days, later (admins).

    Pinned jobs stay; they are counted apart. Nothing is removed.
    """
    with connect() as api:
        found = api.get("/retention/preview")
    if wants_json():
        show_json(found)
    else:
        show_preview(found)


def show_preview(found: Row) -> None:
    """Print what each policy removes, and how far that is counted."""
    rows = [
        {"policy": policy["policy"], **amount}
        for policy in found["policies"]
        for amount in policy["amounts"]
    ]
    if rows:
        click.echo(table(rows, COLUMNS))
    else:
        note("no policy removes anything")
    note(f"jobs submitted until {found['counted_until']} are counted")
    if not found["is_complete"]:
        note(f"{found['days_left']} days are not counted yet: ask again")
