"""`labq group`: groups of users."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("create", "labq.cli.group.create", "Make an empty group."),
    Entry("list", "labq.cli.group.list", "List groups."),
    Entry("show", "labq.cli.group.show", "Show a group with its members."),
    Entry("add", "labq.cli.group.add", "Put users into a group."),
    Entry("remove", "labq.cli.group.remove", "Take users out of a group."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Create, list and change groups; jobs can be visible to their members only."""
