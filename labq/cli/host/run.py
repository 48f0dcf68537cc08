"""`labq host run`: this machine as a lab host."""

from __future__ import annotations

import os
from pathlib import Path

import click

from labq.cli.output import json_option
from labq.cli.parts import run
from labq.supervisor import joined


@click.command()
@click.argument("name", required=False)
@click.option(
    "--state", type=click.Path(path_type=Path), help="Folder of all data of this machine."
)
@json_option
def command(name: str | None, state: Path | None) -> None:
    """Run this machine as the host NAME: bench, workers, consoles of its devices.

    NAME may be left out where this machine joined as one host only. Without a join LABQ_HOST is its
    name, LABQ_REDIS_URL the server's Redis. It runs in the foreground until SIGTERM or Ctrl-C.
    """
    if state is not None:
        os.environ["LABQ_STATE"] = str(state.expanduser().absolute())
    os.environ["LABQ_HOST"] = joined.choose(name)
    run("host", "labq.supervisor.host")
