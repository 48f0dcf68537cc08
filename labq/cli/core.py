"""`labq core`: the server's own Celery worker."""

from __future__ import annotations

import click

from labq.cli.output import json_option
from labq.cli.parts import run_on_database


@click.command()
@json_option
def command() -> None:
    """Run the part that carries out what the server hands out: notifications, retention, back-fills.

    Any number of them may run, on other machines too: they need nothing but LABQ_DATABASE_URL and
    LABQ_REDIS_URL. It runs in the foreground until SIGTERM or Ctrl-C.
    """
    run_on_database("core", "labq.tasks.core_worker")
