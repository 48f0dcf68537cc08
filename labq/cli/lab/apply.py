"""`labq lab apply`."""

from __future__ import annotations

from pathlib import Path

import click

from labq.cli.failures import translated
from labq.cli.lab import folder, sending
from labq.cli.output import json_option
from labq.jobdef.lab_files import HostNames, read_lab

EPILOG = """\b
Examples:
  labq lab apply lab.yaml --dry-run
  labq lab apply lab.yaml"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def command(file: Path, *, dry_run: bool) -> None:
    """Make hosts, tags, device types and devices what FILE says (admins).

    Beside FILE lie the folders `devices` (dictionaries), `device-types` (templates) and
    `health-checks`. All of it is done or nothing; what is not named stays as it is.
    """
    with translated():
        lab = read_lab(
            folder.configurations(file),
            folder.files(file.parent),
            hosts=HostNames(),
            is_trusted=True,
        )
    sending.send(lab, dry_run=dry_run)
