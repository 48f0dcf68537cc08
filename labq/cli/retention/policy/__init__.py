"""`labq retention policy`: how long which data is kept."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("add", "labq.cli.retention.policy.add", "Add a policy."),
    Entry("list", "labq.cli.retention.policy.list", "List policies in their order."),
    Entry("set", "labq.cli.retention.policy.set", "Change a policy."),
    Entry("remove", "labq.cli.retention.policy.remove", "Remove a policy."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Say for how long the data of jobs is kept.

    Policies are tried in the order of their positions: the first that fits a job decides alone what
    of it goes when. A job that no policy fits is kept. Pinned jobs are left alone.
    """
