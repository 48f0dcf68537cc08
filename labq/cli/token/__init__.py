"""`labq token`: API tokens."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("create", "labq.cli.token.create", "Make a token; a lost admin's one with --admin."),
    Entry("list", "labq.cli.token.list", "List tokens, without their secrets."),
    Entry("revoke", "labq.cli.token.revoke", "Make tokens worthless."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Create, list and revoke API tokens."""
