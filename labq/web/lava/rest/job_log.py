"""jobs/<id>/logs/: the lines of the log, by number."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request

from labq.blobs import Logs
from labq.domain.errors import NotFoundError
from labq.services.job_log import LogState, find_log_state
from labq.services.paging import LARGEST_ID
from labq.web.endpoint import YAML, Call
from labq.web.lava.rest.route import Route, text

LINES = 10_000
"""Read at a time."""


def show(call: Call, job: int) -> Response:
    """Return the lines [start, end) of a log, as far as it is stored; 404 when there are none."""
    state = find_log_state(call.session, call.viewer, job, now=call.now)
    start, end = _number("start", 0), min(_number("end", LARGEST_ID), state.stored_lines)
    if state.run_id is None or end <= start:
        raise NotFoundError("there are no such lines")
    logs = Logs(call.settings.blobs)
    return text(_lines(logs, state, start, end), YAML, f"job_{job}.yaml")


def _lines(logs: Logs, state: LogState, start: int, end: int) -> Iterator[bytes]:
    for first in range(start, end, LINES):
        count = min(LINES, end - first)
        lines = logs.read_lines(state.run_id or 0, first, count, state.stored_bytes)
        yield b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)


def _number(name: str, default: int) -> int:
    """Return a number of the query; what is none is as if it was not there."""
    given = request.args.get(name, "")
    is_number = given.isascii() and given.isdigit()
    return min(int(given[:20]), LARGEST_ID) if is_number else default


ROUTES = (Route(method="GET", path="jobs/<id:job>/logs/", run=show),)
