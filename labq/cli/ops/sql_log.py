"""`labq ops sql-log`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
@click.option("--minutes", type=click.IntRange(1, 240), default=5, show_default=True)
@json_option
def command(state: str | None, minutes: int) -> None:
    """Let all processes of the server log their statements, or tell whether they do.

    Each writes them to its own log, as `labq.sql`, without their values. It ends by itself.
    """
    with connect() as api:
        if state is None:
            found = api.get("/ops/sql-log")
        else:
            found = api.post("/ops/sql-log", {"is_on": state == "on", "minutes": minutes})
    if wants_json():
        show_json(found)
    else:
        _tell(found)


def _tell(found: Row) -> None:
    said = f"are logged until {found['until']}" if found["is_on"] else "are not logged"
    click.echo(f"statements {said}")
    if not found["is_everywhere"]:
        note("Redis does not answer: this holds for one process only")
