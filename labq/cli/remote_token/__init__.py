"""`labq remote-token`: secrets for other servers."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("add", "labq.cli.remote_token.add", "Store a secret under a name."),
    Entry("list", "labq.cli.remote_token.list", "List names, never a value."),
    Entry("remove", "labq.cli.remote_token.remove", "Forget secrets."),
    Entry("reseal", "labq.cli.remote_token.reseal", "Put all secrets under the newest key."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Keep secrets for other servers; job definitions use them by name.

    A value of `secrets` or of the `headers` of a URL that is the name of one of its submitter's
    remote tokens is replaced by it, and so is the token of a callback.
    """
