"""`labq ops explain`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, note, show_json, wants_json


@click.command()
@click.argument("statement")
@click.option("--no-analyze", is_flag=True, help="Do not run the statement for its plan.")
@json_option
def command(statement: str, *, no_analyze: bool) -> None:
    """Show the plan of the slowest call of STATEMENT, an id of `labq ops statements`.

    It is run again for this, with times, rows and buffers, in a transaction that can change nothing.
    """
    with connect() as api:
        found = api.post(f"/ops/statements/{statement}/explain", {"analyze": not no_analyze})
    if wants_json():
        show_json(found)
        return
    click.echo(found["text"])
    click.echo(f"\n{found['plan']}")
    if found["is_masked"]:
        note("made with masked values in place of secrets: rows and times may differ")
