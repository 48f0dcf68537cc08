"""`labq web`: the part that answers HTTP: pages and API."""

from __future__ import annotations

import click

from labq.cli.output import json_option
from labq.cli.parts import run_on_database


@click.command()
@json_option
def command() -> None:
    """Run the part that answers HTTP: pages and API.

    It runs in the foreground until SIGTERM or Ctrl-C. Settings are LABQ_ variables;
    LABQ_DATABASE_URL and LABQ_REDIS_URL must name servers that run.
    """
    run_on_database("web", "labq.web.serve")
