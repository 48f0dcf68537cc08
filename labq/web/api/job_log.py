"""The log of a job: by bytes, by lines, as a download, live."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlencode

from flask import Response, redirect, request
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from labq.blobs import Logs
from labq.services import job_groups, job_view, tickets
from labq.services.job_log import LogState, find_log_state, lines_as_json
from labq.services.paging import LARGEST_ID
from labq.services.tickets import Ticket
from labq.web.endpoint import JSON, TEXT, Call, Endpoint
from labq.web.headers import stream_url
from labq.web.parsing import Input

MOST_BYTES = 4 * 1024 * 1024
MOST_LINES = 10_000
_BLOCK_BYTES = 1024 * 1024
_ROLE = "of the first member with this role in the group of the job, in place of the job itself"
_RUN = "the number of a run of the job; the latest by default"


class Form(StrEnum):
    """Bytes as stored, or records by line."""

    BYTES = "bytes"
    LINES = "lines"


class LogQuery(Input):
    """Which part: `offset` and `limit` in bytes, or with `format=lines` lines [start, end)."""

    format: Form = Form.BYTES
    offset: int = Field(default=0, ge=0, le=LARGEST_ID)
    limit: int = Field(default=_BLOCK_BYTES, ge=1, le=MOST_BYTES)
    start: int = Field(default=0, ge=0, le=LARGEST_ID)
    end: int | None = Field(
        default=None, ge=0, le=LARGEST_ID, description=f"at most {MOST_LINES} lines are returned"
    )
    run: int | None = Field(default=None, ge=1, le=LARGEST_ID, description=_RUN)
    role: str = Field(default="", max_length=200, description=_ROLE)


class RunQuery(Input):
    """Which run's log: the latest by default."""

    run: int | None = Field(default=None, ge=1, le=LARGEST_ID, description=_RUN)
    role: str = Field(default="", max_length=200, description=_ROLE)


class LiveQuery(Input):
    """Where to begin: a byte offset at the beginning of a line."""

    offset: int = Field(default=0, ge=0, le=LARGEST_ID)
    role: str = Field(default="", max_length=200, description=_ROLE)


def show(call: Call, job: int, query: LogQuery) -> Response:
    """Return a part of the log; headers say how much is stored."""
    job = _member(call, job, query.role)
    state = find_log_state(call.session, call.viewer, job, now=call.now, number=query.run)
    logs = Logs(call.settings.blobs)
    if query.format is Form.LINES:
        body, kind = lines_as_json(_lines(logs, state, query)), JSON
    else:
        body, kind = _bytes(logs, state, query), f"{TEXT}; charset=utf-8"
    response = Response(body, content_type=kind)
    response.headers["Labq-Log-Length"] = str(state.stored_bytes)
    response.headers["Labq-Log-Lines"] = str(state.stored_lines)
    response.headers["Labq-Log-Complete"] = "true" if state.is_complete else "false"
    return response


def download(call: Call, job: int, query: RunQuery) -> Response:
    """Return the whole log as far as it is stored, as a file."""
    job = _member(call, job, query.role)
    state = find_log_state(call.session, call.viewer, job, now=call.now, number=query.run)
    logs = Logs(call.settings.blobs)
    response = Response(_blocks(logs, state), content_type=f"{TEXT}; charset=utf-8")
    response.content_length = state.stored_bytes
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job}-log.yaml"'
    return response


def live(call: Call, job: int, query: LiveQuery) -> AnyResponse:
    """Send the caller to the stream process, with a ticket."""
    job = _member(call, job, query.role)
    job_view.require(call.session, call.viewer, job)
    ticket = Ticket(
        subject=tickets.job_subject(job),
        user_id=call.viewer.user_id,
        origin=request.host_url.rstrip("/"),
    )
    text = tickets.issue(call.settings.secret_key, ticket)
    values = urlencode({"ticket": text, "offset": query.offset})
    return redirect(f"{stream_url(call.settings)}/jobs/{job}/log?{values}", 307)


def _member(call: Call, job: int, role: str) -> int:
    """Return the job whose log is meant."""
    if not role:
        return job
    job_view.require(call.session, call.viewer, job)
    return job_groups.find_by_role(call.session, job, role)


def _bytes(logs: Logs, state: LogState, query: LogQuery) -> bytes:
    length = min(query.limit, state.stored_bytes - query.offset)
    if state.run_id is None or length <= 0:
        return b""
    return logs.read(state.run_id, query.offset, length)


def _lines(logs: Logs, state: LogState, query: LogQuery) -> list[bytes]:
    end = state.stored_lines if query.end is None else min(query.end, state.stored_lines)
    count = min(end - query.start, MOST_LINES)
    if state.run_id is None or count <= 0:
        return []
    return logs.read_lines(state.run_id, query.start, count, state.stored_bytes)


def _blocks(logs: Logs, state: LogState) -> Iterator[bytes]:
    offset = 0
    while state.run_id is not None and offset < state.stored_bytes:
        block = logs.read(state.run_id, offset, min(_BLOCK_BYTES, state.stored_bytes - offset))
        if not block:
            return
        offset += len(block)
        yield block


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/log",
        summary="Return a part of the log by bytes or lines; headers Labq-Log-Length, "
        "Labq-Log-Lines and Labq-Log-Complete say how much is stored",
        run=show,
        query=LogQuery,
        media=(TEXT, JSON),
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/log/raw",
        summary="Download the whole log as far as it is stored",
        run=download,
        query=RunQuery,
        media=(TEXT,),
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/log/live",
        summary="Follow the log: redirects to a stream of server-sent events `lines` and `end`, "
        "each `lines` with the byte offset after it as id",
        run=live,
        query=LiveQuery,
        status=307,
    ),
)
