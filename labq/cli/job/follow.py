"""A job's log as it grows, until the job has ended; outlives restarts of the server's parts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from labq.cli.api import Api, read_sse
from labq.cli.failures import Unreachable
from labq.domain.deadline import Deadline

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 1.0
COLOURS = {
    "exception": "red",
    "error": "red",
    "warning": "yellow",
    "info": "blue",
    "debug": "bright_black",
    "input": "green",
    "results": "magenta",
    "feedback": "cyan",
}


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of a log: LAVA's `dt`, `lvl` and `msg`; a bad line is its own message."""

    at: str
    level: str
    message: object


def follow(api: Api, job: int) -> Iterator[LogRecord]:
    """Yield the records of a job's log from the first on; returns when all have come.

    Raises Unreachable when the server stays away for PATIENCE_SECONDS.
    """
    offset, patience = 0, Deadline.after(PATIENCE_SECONDS)
    while True:
        try:
            for event, identity, data in _events(api, job, offset):
                patience = Deadline.after(PATIENCE_SECONDS)
                if event == "end":
                    return
                if event == "run":
                    offset = 0
                if event == "lines":
                    yield from parse(data)
                    offset = int(identity)
        except Unreachable:
            if patience.is_over():
                raise
        time.sleep(PAUSE_SECONDS)


def parse(text: str) -> Iterator[LogRecord]:
    """Yield the records in stored lines."""
    for line in text.split("\n"):
        if line:
            yield _record(line)


def show(record: LogRecord, *, is_plain: bool = False) -> None:
    """Print a record for eyes; plain is the message alone."""
    message = record.message if isinstance(record.message, str) else json.dumps(record.message)
    kept = message.rstrip("\r\n")
    text = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in kept)
    if is_plain:
        click.echo(text)
        return
    level = click.style(f"{record.level:<8}", fg=COLOURS.get(record.level))
    click.echo(f"{record.at[11:23]} {level} {text}")


def _events(api: Api, job: int, offset: int) -> Iterator[tuple[str, str, str]]:
    headers = {"Accept": "text/event-stream"}
    with api.stream(f"/jobs/{job}/log/live", headers, offset=offset) as lines:
        yield from read_sse(lines)


def _record(line: str) -> LogRecord:
    try:
        entry = json.loads(line.removeprefix("- "))
        return LogRecord(str(entry["dt"]), str(entry["lvl"]), entry["msg"])
    except (ValueError, LookupError, TypeError):
        return LogRecord("", "debug", line)
