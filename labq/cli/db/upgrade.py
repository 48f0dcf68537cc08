"""`labq db upgrade`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from alembic.util import CommandError

from labq import config
from labq.cli.database import answering, reached
from labq.cli.db import deployment
from labq.cli.failures import Failed
from labq.cli.output import Progress, json_option, note, show_json, wants_json
from labq.services import schema
from labq.services.drift import Drift
from labq.services.upgrading import PATIENCE_SECONDS, Upgraded, Wishes


@click.command()
@click.option(
    "--pause-scheduling",
    is_flag=True,
    help="Begin no job meanwhile; those that run go on, submitted ones wait.",
)
@click.option("--wait", is_flag=True, help="Wait for another upgrade that runs, then go on.")
@click.option("--dry-run", is_flag=True, help="Print the statements, change nothing.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=PATIENCE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a database that goes away meanwhile.",
)
@json_option
def command(*, pause_scheduling: bool, wait: bool, dry_run: bool, patience: float) -> None:
    """Bring the schema up to date; a running server goes on meanwhile.

    It announces itself on all pages and the API, is taken up again where it was interrupted, and says
    at the end whether the schema is now as this labq wants it (exit 1 if not). Back-fills that it
    begins are carried out by core workers afterwards: see `labq db status`.
    """
    wishes = Wishes(pauses_scheduling=pause_scheduling, waits=wait, patience_seconds=patience)
    try:
        with reached() as url, answering():
            if dry_run:
                schema.write_sql(url, wishes.target, sys.stdout)
            else:
                _upgrade(url, wishes)
    except CommandError as error:
        raise Failed(f"{error}: the database is of another labq") from error


def _upgrade(url: str, wishes: Wishes) -> None:
    settings, progress = config.load(), Progress()

    def say(line: str) -> None:
        if line.startswith("back-fill"):
            progress.show(line)
        elif not wants_json():
            note(line)

    done = schema.upgrade(url, wishes=wishes, say=say)
    progress.clear()
    found = schema.find_drift(url)
    if done.revisions:
        deployment.report(settings, done, _told(found))
    _show(done, found)


def _told(found: Sequence[Drift]) -> str:
    return "; ".join(drift.describe() for drift in found)


def _show(done: Upgraded, found: Sequence[Drift]) -> None:
    facts = {
        "upgraded": True,
        "found": done.found,
        "target": done.target,
        "revisions": list(done.revisions),
        "drift": [drift.describe() for drift in found],
    }
    if found:
        raise Failed(f"the schema is {done.target}, but {_told(found)}", facts)
    if wants_json():
        show_json(facts)
    else:
        click.echo(f"the schema is up to date: {done.target}")
