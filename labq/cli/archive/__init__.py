"""`labq archive`: what retention put away."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("list", "labq.cli.archive.list", "List archived jobs, or the files they are in."),
    Entry("show", "labq.cli.archive.show", "Show an archived job, print its log."),
    Entry("restore", "labq.cli.archive.restore", "Bring jobs back."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Look at jobs that retention put into the archive, bring them back."""
