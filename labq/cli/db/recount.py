"""`labq db recount`."""

from __future__ import annotations

from dataclasses import asdict

import click
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from labq.cli.database import answering, reached
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.services import rollups
from labq.services.database import Role, make_engine


@click.command()
@click.option(
    "--check", "is_check", is_flag=True, help="Change nothing; exit 1 if a count is wrong."
)
@json_option
def command(*, is_check: bool) -> None:
    """Count jobs by device, type, host, day and queue anew, while the server goes on.

    Jobs that were deleted stay in the counts of what ended.
    """
    with reached() as url, answering():
        engine = make_engine(url, Role.COMMAND)
        try:
            _check(engine) if is_check else _recount(engine)
        finally:
            engine.dispose()


def _recount(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        rollups.recount(session)
    if wants_json():
        show_json({"recounted": True})
    else:
        click.echo("counted anew")


def _check(engine: Engine) -> None:
    with Session(engine) as session:
        found = rollups.check(session)
        session.rollback()
    facts = {"differences": [asdict(one) for one in found]}
    if found:
        told = "\n".join(one.describe() for one in found)
        raise Failed(f"counts are wrong (`labq db recount` mends them):\n{told}", facts)
    if wants_json():
        show_json(facts)
    else:
        click.echo("all counts are right")
