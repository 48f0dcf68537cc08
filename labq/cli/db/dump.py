"""`labq db dump`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from labq import config
from labq.cli.database import answering, reached
from labq.cli.db.progress import Shown
from labq.cli.output import json_option, note, show_json, wants_json
from labq.services.backup import dump
from labq.services.backup.dump import DumpOptions

MOST_JOBS = 32


@click.command()
@click.argument("target", metavar="FILE|FOLDER/")
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    default=min(4, os.cpu_count() or 1),
    show_default=True,
    help="How many connections read at once.",
)
@click.option("--without-files", is_flag=True, help="Rows only, no logs and artifacts.")
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An earlier bundle: files it has already are hard links to its own.",
)
@json_option
def command(*, target: str, jobs: int, without_files: bool, base: Path | None) -> None:
    """Write a bundle of the database as it is at one moment, and of all logs and artifacts it names.

    A running server goes on meanwhile. The bundle is a tar file, or a folder where the name is that
    of an empty folder or ends with a slash. It has everything that the server keeps, secrets too:
    `labq db restore --scrub` makes a copy without. Exit 1 when files that rows name were not there.

    \b
    labq db dump /srv/backup/labq-2026-11-20.tar
    labq db dump /srv/backup/2026-11-20/ --base /srv/backup/2026-11-19
    """
    folder = None if without_files else config.load().blobs
    with reached() as url, answering(), Shown() as shown:
        options = DumpOptions(jobs=jobs, folder=folder, earlier=base)
        made = dump.write(url, target, options, shown)
    files = made.files
    missing = files.missing if files else ()
    if wants_json():
        facts = {
            "bundle": target,
            "schema": made.revision,
            "tables": len(made.tables),
            "rows": made.rows,
            "files": files.count if files else None,
            "bytes": made.bytes,
            "missing": list(missing),
        }
        show_json(facts)
    else:
        said = f", {files.count} files" if files else ""
        click.echo(f"{target}: {made.rows} rows of {len(made.tables)} tables{said}")
    for name in missing:
        note(f"missing: {name}")
    if missing:
        raise SystemExit(1)
