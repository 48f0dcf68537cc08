"""`labq demo`: a real Linux boots on a virtual device, tests run, results come out."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from labq.cli import demo_lab
from labq.cli.api import Api, Row
from labq.cli.demo_job import BOARDS, Board, definition
from labq.cli.demo_lab import Lab
from labq.cli.job.show import CASE_COLUMNS
from labq.cli.job.submit import show_log
from labq.cli.job.wait import describe_end, is_complete, wait
from labq.cli.output import (
    Column,
    duration,
    json_option,
    note,
    show_json,
    table,
    wants_json,
)
from labq.supervisor.programs import cache_folder

PROGRAMS = {"qemu": "qemu-system-x86_64", "uml": "linux.uml"}
TIMING_COLUMNS = (
    Column("STEP", "name"),
    Column("WAITED", "waited", duration),
    Column("TOOK", "took", duration),
    Column("STATE", "state"),
)


@click.command()
@click.option("--keep", is_flag=True, help="Leave the server running, to look at it.")
@click.option("--device", type=click.Choice([board.option for board in BOARDS]), help="Which kind.")
@json_option
def command(device: str | None, *, keep: bool) -> None:
    """Boot a real Linux on a virtual device, run tests, show results and timings.

    A running `labq up` of yours is used when it has a fitting device; else the demo starts one with
    a state folder of its own and stops it at the end.
    """
    # Ends as Ctrl-C does, so that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    board = _board(device)
    images = cache_folder() / "images"
    demo_lab.prepare_images(board, images)
    text = definition(board, images)
    with _lab(board, keep=keep) as lab, Api(lab.server) as api:
        job = _run(api, text)
        _show(api, job, lab, keep=keep)
    sys.exit(not is_complete(job))


def _board(option: str | None) -> Board:
    if option is None:
        path = f"{cache_folder() / 'system' / 'bin'}"
        usable = (board for board in BOARDS if _has(PROGRAMS[board.option], path))
        return next(usable, BOARDS[0])
    return next(board for board in BOARDS if board.option == option)


def _has(program: str, folder: str) -> bool:
    return bool(shutil.which(program) or shutil.which(program, path=folder))


@contextmanager
def _lab(board: Board, *, keep: bool) -> Iterator[Lab]:
    running = demo_lab.find_running(board)
    if running is not None:
        note(f"using the server at {running.server.url}")
        yield running
        return
    begun = time.monotonic()
    with demo_lab.started(board, is_kept=keep) as lab:
        note(f"labq runs at {lab.server.url} (started in {duration(time.monotonic() - begun)})")
        yield lab


def _run(api: Api, text: str) -> Row:
    made = api.post("/jobs", {"definition": text})
    note(f"job {made['id']}: {made['url']}\n")
    show_log(api, int(made["id"]))
    return wait(api, int(made["id"]))


def _show(api: Api, job: Row, lab: Lab, *, keep: bool) -> None:
    cases = api.get(f"/jobs/{job['id']}/results")["items"]
    if wants_json():
        show_json({"job": job, "results": cases, "timings": timings(job), "url": lab.server.url})
        return
    click.echo(f"\nResults\n{table(cases, CASE_COLUMNS)}")
    click.echo(f"\nTimings\n{table(timings(job), TIMING_COLUMNS)}")
    click.echo(f"\n{describe_end(job)}")
    click.echo(_where(job, lab, keep=keep))


def timings(job: Row) -> list[Row]:
    """Return the queue wait, each step's slot wait and duration, and the whole."""
    rows: list[Row] = [{"name": "queue", "waited": job["queue_wait_seconds"]}]
    for run in job["runs"][-1:]:
        rows += [
            {
                "name": step["name"],
                "waited": step["slot_wait_seconds"],
                "took": step["duration_seconds"],
                "state": step["state"],
            }
            for step in run["steps"]
        ]
    total = {"name": "whole job", "waited": job["queue_wait_seconds"]}
    return [*rows, {**total, "took": job["duration_seconds"], "state": job["outcome"]}]


def _where(job: Row, lab: Lab, *, keep: bool) -> str:
    page = f"{lab.server.url}/jobs/{job['id']}"
    if lab.state is None:
        return f"Look at it in a browser: {page}"
    if keep:
        return f"Look at it in a browser: {page}\nThe server stays: `kill {lab.pid}` stops it"
    return (
        f"Look at it in a browser: start `labq up --state {_shown(lab.state)}`, "
        f"then open /jobs/{job['id']} there\n(`labq demo --keep` leaves the server running)"
    )


def _shown(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
