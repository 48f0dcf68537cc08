"""`labq device-type`: kinds of devices."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (Entry("list", "labq.cli.device_type.list", "List device types with their queues."),)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Show the kinds of devices."""
