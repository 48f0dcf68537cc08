"""`labq ops profile`."""

from __future__ import annotations

import time

import click

from labq.cli.api import Api, Refused, Row, connect
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.deadline import Deadline

HEADER = "Labq-Profile"
SECONDS = 5.0
POLL_SECONDS = 0.3
NOT_FOUND = 404
EPILOG = """\b
Examples:
  labq ops profile "/jobs?limit=100"       GET /api/v1/jobs under the profiler
  labq ops profile --id 1f2e3d4c5b6a7988   a profile that was made before"""


@click.command(epilog=EPILOG)
@click.argument("path", required=False)
@click.option("--id", "identity", help="Show this profile instead.")
@json_option
def command(path: str | None, identity: str | None) -> None:
    """Let the server answer GET PATH (below /api/v1) under the profiler, and show the profile."""
    if (path is None) == (identity is None):
        message = "give a PATH or --id"
        raise click.UsageError(message)
    with connect() as api:
        if path is not None:
            identity = api.header(path, HEADER)
        if not identity:
            raise Failed("the server made no profile")
        found = _fetch(api, identity)
    if wants_json():
        show_json(found)
    else:
        click.echo(f"{found['path']}: {found['ms']:.1f} ms with the profiler, {found['id']}\n")
        click.echo(found["text"])


def _fetch(api: Api, identity: str) -> Row:
    """Return a profile; another process than the one that made it may need a moment to have it."""
    deadline = Deadline.after(SECONDS)
    while True:
        try:
            return api.get(f"/ops/profiles/{identity}")
        except Refused as refused:
            if refused.status != NOT_FOUND or deadline.is_over():
                raise
        time.sleep(POLL_SECONDS)
