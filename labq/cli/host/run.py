"""`labq host run`: this machine as a lab host."""

from __future__ import annotations

import click

from labq.cli.output import json_option
from labq.cli.parts import run


@click.command()
@json_option
def command() -> None:
    """Run this machine as a host: bench, workers, consoles of its devices.

    LABQ_HOST is its name, LABQ_REDIS_URL the server's Redis. It runs in the foreground until
    SIGTERM or Ctrl-C.
    """
    run("host", "labq.supervisor.host")
