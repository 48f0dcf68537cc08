"""scheduler.jobs.logs and scheduler.job_output: the log of a job by lines and by bytes."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.blobs import Logs
from labq.services import job_brief
from labq.services.job_log import LogState, find_log_state
from labq.web.endpoint import Call
from labq.web.lava.method import Int, JobId, Method

MOST_BYTES = 16 * 1024 * 1024
"""Of one answer; a client that follows a longer log is told that it goes on."""
_AT_ONCE = 10_000
_NO_LINES = b"[]"


def logs(call: Call, job_id: JobId, start: Int = 0, end: Int | None = None) -> list[object]:
    """Return [finished, lines]: lines `start` to `end`, without the last one, as YAML in base64.

    `finished`: the job has ended and its log goes no further than this.
    """
    state = _state(call, job_id)
    first = max(0, start)
    last = state.stored_lines if end is None else min(max(0, end), state.stored_lines)
    lines, is_cut = _lines(Logs(call.settings.blobs), state, first, last)
    text = b"".join(line + b"\n" for line in lines) or _NO_LINES
    return [state.is_complete and not is_cut, text]


def output(call: Call, job_id: JobId, offset: Int = 0) -> bytes:
    """Return the log from a byte on, in base64; 16 MiB of it at most."""
    state = _state(call, job_id)
    if state.run_id is None or not state.stored_bytes:
        raise Fault(int(HTTPStatus.NOT_FOUND), "Job output not found.")
    begin = max(0, offset)
    length = min(MOST_BYTES, max(0, state.stored_bytes - begin))
    return Logs(call.settings.blobs).read(state.run_id, begin, length)


def _state(call: Call, job_id: JobId) -> LogState:
    job = job_brief.find(call.session, call.viewer, job_id)
    return find_log_state(call.session, call.viewer, job.id, now=call.now)


def _lines(stored: Logs, state: LogState, first: int, last: int) -> tuple[list[bytes], bool]:
    """Return the lines from `first` on to before `last`, and whether an answer holds no more."""
    found: list[bytes] = []
    size = 0
    while state.run_id is not None and first + len(found) < last:
        if size >= MOST_BYTES:
            return found, True
        begin = first + len(found)
        count = min(_AT_ONCE, last - begin)
        part = stored.read_lines(state.run_id, begin, count, state.stored_bytes)
        if not part:
            break
        found += part
        size += sum(map(len, part))
    return found, False


METHODS = (
    Method(name="scheduler.jobs.logs", run=logs, returns="array"),
    Method(name="scheduler.job_output", run=output, returns="base64"),
)
