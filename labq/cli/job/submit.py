"""`labq job submit`: a definition becomes a job."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed, Misused
from labq.cli.job.follow import follow as follow_log
from labq.cli.job.follow import show
from labq.cli.job.wait import describe_end, is_complete, wait
from labq.cli.output import Progress, json_option, note, show_json, wants_json

LARGEST_BYTES = 1024 * 1024
EPILOG = """\b
Examples:
  labq job submit job.yaml
  labq job submit --follow job.yaml      the live log; exit 0 when the job is complete
  generate | labq job submit -"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--follow", is_flag=True, help="Show the live log; exit by the outcome.")
@click.option("--wait", "waits", is_flag=True, help="Wait for the end; exit by the outcome.")
@click.option("--priority", type=click.IntRange(0, 100), help="In place of the definition's.")
@click.option("--queue-seconds", type=click.FloatRange(0, min_open=True), help="Wait no longer.")
@click.option(
    "--retry-infrastructure",
    "retries",
    type=click.IntRange(0, 10),
    metavar="N",
    help="Run again, elsewhere if possible, after up to N infrastructure failures.",
)
@click.option(
    "--keep-console", is_flag=True, help="Keep the raw bytes of all consoles as artifacts."
)
@json_option
def command(
    file: Path,
    *,
    follow: bool,
    waits: bool,
    retries: int | None,
    keep_console: bool,
    **options: float | None,
) -> None:
    """Submit the job definition in FILE (`-`: standard input)."""
    chosen: Row = {name: value for name, value in options.items() if value is not None}
    if retries is not None:
        chosen["retry"] = {"infrastructure": retries}
    if keep_console:
        chosen["artifacts"] = {"console": True}
    body = {"definition": _read(file), "options": chosen}
    with connect() as api:
        report(api, api.post("/jobs", body), follow=follow, waits=waits)


def report(api: Api, job: Row, *, follow: bool, waits: bool = False) -> None:
    """Say which job it became; with `follow` or `waits` stay until its end and exit by it."""
    if not (follow or waits):
        if wants_json():
            show_json(job)
        else:
            click.echo(f"job {job['id']}: {address(api, job)}")
        return
    note(f"job {job['id']}: {address(api, job)}")
    if follow:
        show_log(api, int(job["id"]))
    ended = wait(api, int(job["id"]))
    if wants_json():
        show_json(ended)
    else:
        note(describe_end(ended))
    sys.exit(not is_complete(ended))


def show_log(api: Api, job: int) -> None:
    """Print the live log until it ends; on a terminal say that the job waits until it begins."""
    progress = Progress()
    progress.show(f"job {job}: waiting for its log")
    for record in follow_log(api, job):
        progress.clear()
        if not wants_json():
            show(record)
    progress.clear()


def address(api: Api, job: Row) -> str:
    """Return the job's page."""
    return f"{api.server.url}/jobs/{job['id']}"


def _read(file: Path) -> str:
    try:
        is_stdin = str(file) == "-"
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1) if is_stdin else file.read_bytes()
    except OSError as error:
        raise Misused(f"can't read {file}: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line, found = data.count(b"\n", 0, error.start) + 1, data[error.start]
        message = f"{file} is not UTF-8: byte 0x{found:02x} in line {line}"
        raise Failed(message) from error
