"""`labq device`: boards."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("add", "labq.cli.device.add", "Add a device from its dictionary's file."),
    Entry("list", "labq.cli.device.list", "List devices with state and health."),
    Entry("show", "labq.cli.device.show", "Show a device; its rendered dictionary."),
    Entry("set", "labq.cli.device.set", "Set health, maintenance, dictionary, host, tags."),
    Entry("access", "labq.cli.device.access", "Rights of groups on a device."),
    Entry("group", "labq.cli.device.group", "Virtual devices with a network of their own."),
    Entry("move", "labq.cli.device.move", "Hang a device on another host."),
    Entry("release", "labq.cli.device.release", "Free a device whose host is gone."),
    Entry("check", "labq.cli.device.check", "Check dictionaries without a server."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Add, show and check devices; set their health."""
