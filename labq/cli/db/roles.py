"""`labq db roles`."""

from __future__ import annotations

from dataclasses import asdict

import click
from sqlalchemy.engine import make_url

from labq.cli.database import reached
from labq.cli.output import json_option, show_json, wants_json
from labq.services import database_roles
from labq.services.connections import shares


@click.command()
@click.option("--webs", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--streams", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option("--conductors", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--cores", type=click.IntRange(1, 100), default=1, show_default=True)
@json_option
def command(*, webs: int, streams: int, conductors: int, cores: int) -> None:
    """Write the SQL that gives readers and conductors roles of their own.

    For as many processes as named. Nothing is changed: `labq db roles | psql URL`, as a superuser and
    again when the numbers change. Then set passwords for the roles, and LABQ_DATABASE_WEB_URL,
    LABQ_DATABASE_CONDUCTOR_URL and LABQ_DATABASE_REPORT_URL.
    """
    numbers = {"web": webs, "stream": streams, "conductor": conductors, "core": cores}
    parts = shares(numbers)
    with reached() as url:
        place = make_url(url)
    owner, database = place.username or "labq", place.database or "labq"
    sql = list(database_roles.statements(database, owner, parts))
    if wants_json():
        show_json({"connections": {**asdict(parts), "total": parts.total}, "statements": sql})
        return
    click.echo(f"-- max_connections: at least {parts.total} and those reserved for superusers")
    for statement in sql:
        click.echo(f"{statement};")
