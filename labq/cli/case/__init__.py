"""`labq case`: search test cases of all jobs."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (Entry("list", "labq.cli.case.list", "Search test cases, of the newest jobs first."),)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Search test cases of all jobs."""
