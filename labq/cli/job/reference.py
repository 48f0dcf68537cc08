"""`labq job reference`."""

from __future__ import annotations

from pathlib import Path

import click

from labq.jobdef.reference import pages


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write what all actions and their parameters mean into FOLDER, as Markdown; no server is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
