"""`labq retention`: which old data is removed."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("policy", "labq.cli.retention.policy", "Add, list, change, remove policies."),
    Entry("preview", "labq.cli.retention.preview", "Say what will be removed, and when."),
    Entry("run", "labq.cli.retention.run", "Archive and remove now what is due."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Say how long data of old jobs is kept (admins); `labq job pin` keeps a job for ever."""
