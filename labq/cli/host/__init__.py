"""`labq host`: lab hosts."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("list", "labq.cli.host.list", "List hosts with their slots."),
    Entry("show", "labq.cli.host.show", "Show a host."),
    Entry("set", "labq.cli.host.set", "Set whether a host may be given work."),
    Entry("enroll", "labq.cli.host.enroll", "Let a machine join as a host."),
    Entry("join", "labq.cli.host.join", "Make this machine a host of a server."),
    Entry("sweep", "labq.cli.host.sweep", "Measure how much a host stands at once."),
    Entry("run", "labq.cli.host.run", "Run this machine as a host."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Lab hosts: enroll them, show them, run one."""
