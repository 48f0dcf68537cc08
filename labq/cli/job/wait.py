"""`labq job wait`: until jobs have ended."""

from __future__ import annotations

import sys
import time

import click

from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed
from labq.cli.output import Progress, duration, json_option, show_json, wants_json
from labq.domain.deadline import Deadline

INTERVAL_SECONDS = 0.5
LONGEST_INTERVAL_SECONDS = 5.0
GROWTH = 1.2


@click.command()
@click.argument("jobs", type=int, nargs=-1, required=True)
@click.option("--timeout", type=click.FloatRange(0), help="Give up after so many seconds.")
@json_option
def command(jobs: tuple[int, ...], timeout: float | None) -> None:
    """Wait until jobs have ended; exit 1 unless all are complete."""
    deadline = Deadline.after(timeout) if timeout is not None else None
    with connect() as api:
        ended = [wait(api, job, deadline) for job in jobs]
    if wants_json():
        show_json(ended)
    else:
        for job in ended:
            click.echo(describe_end(job))
    sys.exit(not all(is_complete(job) for job in ended))


def wait(api: Api, job_id: int, deadline: Deadline | None = None) -> Row:
    """Return the job once it has finished; raises Failed when the deadline passes first."""
    progress = Progress()
    pause, started = INTERVAL_SECONDS, time.monotonic()
    while True:
        job = api.get(f"/jobs/{job_id}")
        if job["state"] == "finished":
            progress.clear()
            return job
        progress.show(f"job {job_id}: {_progress(job)} ({duration(time.monotonic() - started)})")
        if deadline is not None and deadline.is_over():
            progress.clear()
            raise Failed(f"job {job_id} has not ended in time: it is {_progress(job)}", job)
        time.sleep(pause if deadline is None else min(pause, deadline.remaining()))
        pause = min(pause * GROWTH, LONGEST_INTERVAL_SECONDS)


def describe_end(job: Row) -> str:
    """Return one line that says how a job ended."""
    error = f": {job['error']['type']} error: {job['error']['message']}" if job["error"] else ""
    return f"job {job['id']} {job['outcome']} in {duration(job['duration_seconds'])}{error}"


def is_complete(job: Row) -> bool:
    """Return whether a finished job ran to its end."""
    return bool(job["outcome"] == "complete")


def _progress(job: Row) -> str:
    """Return the state, with the step that runs."""
    steps = job["runs"][-1]["steps"] if job["runs"] else []
    running = [step["name"] for step in steps if step["state"] == "running"]
    return f"{job['state']}, {running[-1]}" if running else str(job["state"])
