"""`labq stream`: the part that holds long connections: live logs and events."""

from __future__ import annotations

import click

from labq.cli.output import json_option
from labq.cli.parts import run_on_database


@click.command()
@json_option
def command() -> None:
    """Run the part that holds long connections: live logs and events.

    It runs in the foreground until SIGTERM or Ctrl-C. Settings are LABQ_ variables;
    LABQ_DATABASE_URL and LABQ_REDIS_URL must name servers that run.
    """
    run_on_database("stream", "labq.stream.serve")
