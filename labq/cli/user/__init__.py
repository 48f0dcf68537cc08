"""`labq user`: accounts."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("create", "labq.cli.user.create", "Make an account."),
    Entry("list", "labq.cli.user.list", "List accounts."),
    Entry("show", "labq.cli.user.show", "Show an account."),
    Entry("set", "labq.cli.user.set", "Change e-mail, admin right, or whether it is active."),
    Entry("passwd", "labq.cli.user.passwd", "Change a password."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Create, list and change accounts."""
