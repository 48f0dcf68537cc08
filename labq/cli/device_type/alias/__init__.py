"""`labq device-type alias`: further names of device types."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("add", "labq.cli.device_type.alias.add", "Give a device type a further name."),
    Entry("remove", "labq.cli.device_type.alias.remove", "Take a further name away."),
    Entry("list", "labq.cli.device_type.alias.list", "List further names."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Further names of device types: jobs may ask for a device under any of them."""
