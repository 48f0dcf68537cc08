"""LAVA's addresses of a job's definition, log and callback data, which programs fetch.

They take user and token as parameters too, as LAVA does for programs that know no other way.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from flask import Response

from labq.blobs import Logs
from labq.domain.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from labq.models.job import Job
from labq.services import callback, job_brief, job_texts, job_view, tokens
from labq.services.callback import Moment
from labq.services.job_brief import JobBrief
from labq.services.job_log import LogState, find_log_state
from labq.services.notify_block import Dataset
from labq.services.visibility import Viewer
from labq.web.endpoint import YAML, Call, Page
from labq.web.parsing import Input, Text

GZIP = "application/gzip"
_BLOCK_BYTES = 1024 * 1024


class WhoQuery(Input):
    """Who asks: a user and one of the user's tokens, in place of a header."""

    user: Text | None = None
    token: Text | None = None


def definition(call: Call, job: str, query: WhoQuery) -> Response:
    """Return the definition as it was submitted; of a group's member that of the whole group."""
    viewer = _viewer(call, query)
    found = _find(call, viewer, job)
    group = job_brief.find_group(call.session, found)
    text = group.definition if group else None
    text = text or job_texts.find_definition(call.session, viewer, found.id)
    return _file(text, f"{YAML}; charset=utf-8", f"job_{found.shown}.yaml")


def log(call: Call, job: str, query: WhoQuery) -> Response:
    """Return the log as far as it is stored."""
    viewer = _viewer(call, query)
    found = _find(call, viewer, job)
    state = find_log_state(call.session, viewer, found.id, now=call.now)
    if state.run_id is None or not state.stored_bytes:
        message = f"job {found.shown} has no log yet"
        raise NotFoundError(message)
    response = _file(
        _blocks(Logs(call.settings.blobs), state),
        f"{YAML}; charset=utf-8",
        f"job_{found.shown}.log",
    )
    response.content_length = state.stored_bytes
    return response


def data(call: Call, job: str, query: WhoQuery) -> Response:
    """Return what a callback with all data says of a job, gzipped."""
    viewer = _viewer(call, query)
    found = _find(call, viewer, job)
    row = call.session.get_one(Job, found.id)
    fields = callback.fields_of(call.session, row, Moment.of(row))
    logs = Logs(call.settings.blobs)
    fields |= callback.data_of(call.session, row, Dataset.ALL, logs)
    packed = gzip.compress(callback.as_json(fields), compresslevel=6)
    return _file(packed, GZIP, f"job_{found.shown}_data.gz")


def _viewer(call: Call, query: WhoQuery) -> Viewer:
    """Return who asks; raises UnauthenticatedError for a token that is not the user's."""
    if query.token is None:
        return call.viewer
    viewer = tokens.authenticate(call.session, query.token, call.now)
    if viewer.name != (query.user or ""):
        raise UnauthenticatedError("the token is another user's")
    return viewer


def _find(call: Call, viewer: Viewer, job: str) -> JobBrief:
    """Return a job; raises NotFoundError, for a hidden one too."""
    try:
        return job_brief.find(call.session, viewer, job)
    except (ForbiddenError, NotFoundError) as error:
        raise job_view.missing(job) from error


def _blocks(logs: Logs, state: LogState) -> Iterator[bytes]:
    offset = 0
    while state.run_id is not None and offset < state.stored_bytes:
        block = logs.read(state.run_id, offset, min(_BLOCK_BYTES, state.stored_bytes - offset))
        if not block:
            return
        offset += len(block)
        yield block


def _file(body: str | bytes | Iterator[bytes], kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, content_type=kind, headers=headers)


PAGES = (
    Page(path="/scheduler/job/<job>/definition/plain", run=definition, query=WhoQuery),
    Page(path="/scheduler/job/<job>/log_file/plain", run=log, query=WhoQuery),
    Page(path="/scheduler/job/<job>/job_data", run=data, query=WhoQuery),
)
