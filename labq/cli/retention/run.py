"""`labq retention run`."""

from __future__ import annotations

import threading

import click

from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed
from labq.cli.output import Progress, json_option, show_fields, show_json, wants_json
from labq.cli.retention.preview import show_preview

FIELDS = ("id", "asked_by", "began_at", "ended_at", "jobs", "parts", "bytes", "bundles", "error")
LOOK_SECONDS = 1.0


@click.command()
@click.option("--dry-run", is_flag=True, help="Count everything, say what is due, remove nothing.")
@click.option("--no-wait", is_flag=True, help="Ask for the run and return.")
@json_option
def command(*, dry_run: bool, no_wait: bool) -> None:
    """Archive and remove what is due, in small steps, also outside the windows of the day (admins).

    Only one run is open at a time: a second one is told who works at the first.
    """
    with connect() as api:
        if dry_run:
            _show_due(api)
            return
        run = api.post("/retention/runs")
        if not no_wait:
            run = _follow(api, run)
    show_fields(run, FIELDS)
    if run["error"]:
        raise Failed(run["error"])


def _show_due(api: Api) -> None:
    """Print a preview of which no day is missing."""
    found = api.get("/retention/preview")
    while not found["is_complete"]:
        found = api.get("/retention/preview")
    if wants_json():
        show_json(found)
    else:
        show_preview(found)


def _follow(api: Api, run: Row) -> Row:
    """Wait for the end of the run, or for an error that it meets."""
    progress, pause = Progress(), threading.Event()
    while run["ended_at"] is None and not run["error"]:
        progress.show(f"{run['step'] or 'waits for the core worker'}: {run['jobs']} jobs removed")
        pause.wait(LOOK_SECONDS)
        run = api.get(f"/retention/runs/{run['id']}")
    progress.clear()
    return run
