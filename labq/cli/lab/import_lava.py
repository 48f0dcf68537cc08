"""`labq lab import-lava`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from labq.cli.failures import translated
from labq.cli.lab import folder, sending
from labq.cli.output import json_option
from labq.jobdef.lab_files import reachable, read_lab

EPILOG = """\b
Examples:
  lavacli system export my-lab && labq lab import-lava my-lab --dry-run
  labq lab import-lava /etc/lava-server/dispatcher-config --host rack-1 \\
      --device-types /usr/share/lava-server/device-types"""


@click.command(epilog=EPILOG)
@click.argument("place", metavar="FOLDER", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="[WORKER=]NAME",
    help="What a worker is called here; without WORKER: the one host of all devices.",
)
@click.option(
    "--device-types",
    "shelf",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="LAVA's folder of device types: what is needed of it is stored too.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def command(place: Path, hosts: tuple[str, ...], shelf: Path | None, *, dry_run: bool) -> None:
    """Take over the lab of a LAVA server (admins).

    FOLDER is what `lavacli system export` (1.2) or `lavacli lab import` (3) wrote, or a folder with
    `devices`, `device-types` and `health-checks` like LAVA's dispatcher-config. Workers become
    hosts that are known and join later. All of it is done or nothing; it may be done again.
    """
    with translated():
        texts, files = folder.configurations(place), folder.files(_base(place))
        folder.refuse_nothing(place, texts or files)
        lab = read_lab(texts, files, hosts=folder.host_names(hosts), is_trusted=False)
        if shelf is not None:
            more = reachable(lab, folder.templates(shelf))
            lab = replace(lab, templates=(*lab.templates, *more))
    sending.send(lab, dry_run=dry_run)


def _base(place: Path) -> Path:
    return place.parent if place.is_file() else place
