"""`labq token create`: through the server, or on its own machine straight in its database."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from labq.cli.api import Row, connect
from labq.cli.output import json_option, note, show_json, wants_json

EPILOG = """\b
Examples:
  labq token create "CI of the kernel team" --days 365
  labq token create --admin           the admin token is lost: run on the server's machine"""


@click.command(epilog=EPILOG)
@click.argument("description", required=False)
@click.option("--days", type=click.IntRange(1, 3650), help="Days it holds; default: for ever.")
@click.option("--user", help="Make it for this user (admins).")
@click.option("--admin", is_flag=True, help="Make one for an admin, without asking the server.")
@json_option
def command(description: str | None, days: int | None, user: str | None, *, admin: bool) -> None:
    """Make an API token and print it, this once.

    With --admin it is made in the database itself: LABQ_DATABASE_URL, or the one of `labq up` in
    the state folder, whether that runs or not. Whoever may do that is admin of the server anyway.
    """
    if admin:
        made = _in_database(description, user)
    else:
        text = description or f"made by `labq token create` {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        body: Row = {"description": text, "expires_in_days": days, "user": user}
        with connect() as api:
            made = api.post("/tokens", body)
    if wants_json():
        show_json(made)
    else:
        note(f"token {made['id']} ({made['description']}); it is not shown again:")
        click.echo(made["secret"])


def _in_database(description: str | None, user: str | None) -> Row:
    from labq.cli.database import opened  # noqa: PLC0415 - SQLAlchemy takes a while to import
    from labq.services import lost_token  # noqa: PLC0415

    now = datetime.now(UTC)
    with opened() as session, session.begin():
        made = lost_token.make(session, user, description, now=now)
    return {"id": made.id, "secret": made.secret, "description": made.description}
