"""`labq db picture`."""

from __future__ import annotations

from pathlib import Path

import click

from labq.models import TABLES
from labq.models.picture import draw


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Draw the tables of labq and their foreign keys as SVG into FILE; needs no database."""
    file.write_text(draw(TABLES[0].metadata), encoding="utf-8")
