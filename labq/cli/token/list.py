"""`labq token list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows

COLUMNS = (
    Column("ID", "id"),
    Column("USER", "user"),
    Column("DESCRIPTION", "description"),
    Column("CREATED", "created_at", age),
    Column("LAST USED", "last_used_at", age),
    Column("EXPIRES", "expires_at"),
)


@click.command()
@click.option("--user", help="The tokens of this user (admins).")
@json_option
def command(user: str | None) -> None:
    """List your tokens, without their secrets."""
    with connect() as api:
        show_rows(api.get("/tokens", user=user)["items"], COLUMNS)
