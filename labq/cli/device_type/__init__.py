"""`labq device-type`: kinds of devices."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("list", "labq.cli.device_type.list", "List device types with their queues."),
    Entry("show", "labq.cli.device_type.show", "Show a device type; its health check."),
    Entry("set", "labq.cli.device_type.set", "Set the health check of its devices."),
    Entry("alias", "labq.cli.device_type.alias", "Give it further names."),
    Entry("access", "labq.cli.device_type.access", "Rights of groups on a device type."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Show the kinds of devices; set how they are proven."""
