"""`labq db restore`."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from labq import config
from labq.cli.database import answering, reached_alone
from labq.cli.db.dump import MOST_JOBS
from labq.cli.db.progress import Shown
from labq.cli.output import json_option, show_json, wants_json
from labq.services.backup import restore
from labq.services.backup.restore import RestoreOptions


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--replace", is_flag=True, help="Delete everything in the database and the folder first."
)
@click.option(
    "--scrub",
    is_flag=True,
    help="Make a copy for other eyes: no secrets, nothing to send, no hosts, nothing at work.",
)
@click.option("--without-files", is_flag=True, help="Rows only, no logs and artifacts.")
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    default=min(4, os.cpu_count() or 1),
    show_default=True,
    help="How many connections load at once.",
)
@json_option
def command(*, source: Path, replace: bool, scrub: bool, without_files: bool, jobs: int) -> None:
    """Restore a bundle of `labq db dump` into an empty database, and bring its schema up to date.

    SOURCE may also be a plain file of pg_dump: `.sql`, `.sql.gz`, `.sql.xz`, `.sql.zst`. All of it is
    read and checked before anything is changed. No part of labq may run on the database meanwhile;
    none begins on it before the restore is over. One that was interrupted is begun again by the same
    command.

    \b
    labq db restore /srv/backup/labq-2026-11-20.tar
    LABQ_STATE=~/staging labq db restore labq-2026-11-20.tar --scrub
    """
    options = RestoreOptions(
        jobs=jobs,
        folder=None if without_files else config.load().blobs,
        replaces=replace,
        scrubs=scrub,
    )
    with reached_alone() as url, answering(), Shown() as shown:
        done = restore.restore(url, source, options, shown, now=datetime.now(UTC))
    if wants_json():
        show_json(asdict(done))
    else:
        click.echo(
            f"{done.rows} rows and {done.files} files are restored; the schema is {done.schema}"
        )
