"""`labq lab`: a lab as files describe it."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("apply", "labq.cli.lab.apply", "Make hosts, device types and devices what files say."),
    Entry("import-lava", "labq.cli.lab.import_lava", "Take over what LAVA has of a lab."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Keep a lab in files: what differs is shown, added and changed; nothing is removed."""
