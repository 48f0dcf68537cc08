"""`labq mail`: the mail that the server sends."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (Entry("test", "labq.cli.mail.test", "Send a mail, and say what came of it."),)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """See that the server can send mail."""
