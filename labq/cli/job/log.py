"""`labq job log`: the log of a job, whole or as it grows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from labq.cli import choice
from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed, Misused
from labq.cli.job import follow as live
from labq.cli.job.follow import LogRecord
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.verdicts import Level

LINES_AT_ONCE = 5000
EPILOG = """\b
Examples:
  labq job log 12 --follow
  labq job log 12 --level target --plain > console.txt
  labq job log 12 --raw > log.yaml
  labq job log 12 --run 1                the log of an earlier run
  labq job log 12 --role server --follow the console of a member of its group"""


@click.command(epilog=EPILOG)
@click.argument("job", type=int)
@click.option("--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--level", type=choice.of(Level), multiple=True, help="Only these levels.")
@click.option("--plain", is_flag=True, help="The messages alone, without time and level.")
@click.option("--raw", is_flag=True, help="The log as it is stored, in LAVA's form.")
@click.option("--run", "number", type=click.IntRange(1), help="Of this run; default: the latest.")
@click.option("--role", help="Of the first member with this role in the job's group.")
@json_option
def command(
    job: int,
    level: tuple[str, ...],
    number: int | None,
    role: str | None,
    **wanted: bool,
) -> None:
    """Print the log of JOB; with --json one object a line."""
    follow, raw = wanted["follow"], wanted["raw"]
    if raw and follow:
        raise Misused("--raw and --follow do not go together")
    if number and follow:
        raise Misused("--run and --follow do not go together: only the latest run goes on")
    with connect() as api:
        if role:
            job = _member(api.get(f"/jobs/{job}"), role)
        if raw:
            suffix = f"?run={number}" if number else ""
            api.copy(f"/jobs/{job}/log/raw{suffix}", sys.stdout.buffer)
            return
        for record in live.follow(api, job) if follow else _stored(api, job, number):
            if level and record.level not in level:
                continue
            if wants_json():
                show_json(asdict(record))
            else:
                live.show(record, is_plain=wanted["plain"])


def _member(job: Row, role: str) -> int:
    """Return the number of the first member with a role."""
    members = (job.get("group") or {}).get("members", [])
    found: list[int] = [member["job"] for member in members if member["role"] == role]
    if not found:
        roles = ", ".join(dict.fromkeys(member["role"] for member in members)) or "none"
        raise Failed(f"job {job['id']} has no role {role!r} in its group; roles: {roles}")
    return found[0]


def _stored(api: Api, job: int, number: int | None) -> Iterator[LogRecord]:
    start = 0
    while True:
        query: Row = {"format": "lines", "start": start, "end": start + LINES_AT_ONCE}
        query["run"] = number
        found = api.get(f"/jobs/{job}/log", **query)["items"]
        yield from map(_record, found)
        if len(found) < LINES_AT_ONCE:
            return
        start += len(found)


def _record(item: Row) -> LogRecord:
    return LogRecord(str(item.get("dt") or ""), str(item.get("lvl")), item.get("msg"))
