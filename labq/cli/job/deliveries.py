"""`labq job deliveries`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows

COLUMNS = (
    Column("KIND", "kind"),
    Column("FOR", "status"),
    Column("TO", "to"),
    Column("STATE", "state"),
    Column("SENT", "sent_at", age),
    Column("TRIES", "tries", lambda tries: str(len(tries)) if isinstance(tries, list) else ""),
    Column("LAST ERROR", "last_error"),
)


@click.command()
@click.argument("job", type=int)
@json_option
def command(job: int) -> None:
    """List the callbacks and mails that JOB's definition asks for, and what came of them."""
    with connect() as api:
        show_rows(api.get(f"/jobs/{job}/deliveries")["items"], COLUMNS)
