"""`labq device group`: virtual devices that share a network which nobody else is in."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("create", "labq.cli.device.group.create", "Make virtual devices with a network."),
    Entry("list", "labq.cli.device.group.list", "List such groups."),
    Entry("remove", "labq.cli.device.group.remove", "Take a group out of use."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Groups of virtual devices, each with a network of its own and the same addresses inside."""
