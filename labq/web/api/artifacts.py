"""Artifacts of jobs: listed, downloaded, and sent by hosts with the token of a run."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

from flask import Response, request, send_file
from werkzeug.exceptions import BadRequest, LengthRequired, RequestEntityTooLarge

from labq.artifact_files import ArtifactFiles, Piece
from labq.domain.artifacts import PIECE_BYTES
from labq.domain.errors import NotFoundError, UnauthenticatedError
from labq.services import artifacts
from labq.services.artifacts import ArtifactView, Limits, Offered
from labq.web.endpoint import BYTES, Call, Endpoint, UploadCall

STORED = "Labq-Artifact-Bytes"
"""How many bytes of the file the server has: the next piece begins there."""
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


def index(call: Call, job: int) -> tuple[ArtifactView, ...]:
    """List the artifacts of a job."""
    return artifacts.find_of_job(call.session, call.viewer, job)


def download(call: Call, run: int, name: str) -> Response:
    """Return the file, never to be shown by a browser."""
    found = artifacts.find(call.session, call.viewer, run, name)
    path = ArtifactFiles(call.settings.blobs).path(run, found.digest)
    if not path.exists():
        raise NotFoundError(f"the file of {name!r} is gone from the server's disk")
    return send_file(
        path,
        mimetype=BYTES,
        as_attachment=True,
        download_name=name.rpartition("/")[2],
        etag=found.digest,
    )


def upload(call: UploadCall, run: int, name: str) -> Response:
    """Take a file, or a piece of it; no transaction is open while its bytes come."""
    artifacts.check_token(call.settings.secret_key, run, _token())
    piece = _piece()
    offered = Offered(run=run, name=name, bytes=piece.total, digest=piece.digest)
    settings = call.settings
    limits = Limits(
        file_bytes=settings.artifact_bytes,
        run_bytes=settings.run_artifact_bytes,
        days=settings.artifact_days,
    )
    with call.sessions.begin() as session:
        if artifacts.is_stored(session, offered, limits, call.now):
            return _answer(200, piece.total)
    files = ArtifactFiles(settings.blobs)
    stored = files.store(run, piece, request.stream, most_bytes=limits.run_bytes)
    if stored < piece.offset + piece.length:
        return _answer(409, stored)
    if stored < piece.total:
        return _answer(202, stored)
    with call.sessions.begin() as session:
        artifacts.note(session, offered, datetime.now(UTC))
    return _answer(201, stored)


def _answer(status: int, stored: int) -> Response:
    return Response(status=status, headers={STORED: str(stored)})


def _token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("send the run's token as `Authorization: Bearer <token>`")
    return token.strip()


def _piece() -> Piece:
    """Return what the headers say of the body; raises HTTPException."""
    length = request.content_length
    if length is None:
        raise LengthRequired("send a Content-Length")
    if length > PIECE_BYTES:
        raise RequestEntityTooLarge(f"at most {PIECE_BYTES} bytes a request: send pieces")
    # The other endpoints take less.
    request.max_content_length = PIECE_BYTES
    offset, total = _place(length)
    return Piece(_digest(), total, offset, length)


def _place(length: int) -> tuple[int, int]:
    text = request.headers.get("Content-Range")
    if text is None:
        return 0, length
    found = _RANGE.fullmatch(text)
    first, last, total = map(int, found.groups()) if found else (0, 0, 0)
    if not (last + 1 - first == length and last < total):
        raise BadRequest("send Content-Range as `bytes <first>-<last>/<all>`, as long as the body")
    return first, total


def _digest() -> str:
    found = _DIGEST.fullmatch(request.headers.get("Repr-Digest", "").strip())
    if not found:
        raise BadRequest("send the whole file's digest as `Repr-Digest: sha-256=:<base64>:`")
    try:
        return base64.b64decode(found[1], validate=True).hex()
    except binascii.Error as error:
        raise BadRequest(f"Repr-Digest: {error}") from error


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/artifacts",
        summary="List the files that the runs of a job left",
        run=index,
        answer=tuple[ArtifactView, ...],
    ),
    Endpoint(
        method="GET",
        path="/runs/<id:run>/artifacts/<path:name>",
        summary="Download an artifact",
        run=download,
        media=(BYTES,),
    ),
    Endpoint(
        method="PUT",
        path="/runs/<id:run>/artifacts/<path:name>",
        summary="Store an artifact; for the run's host, with the run's token and the header "
        f"Repr-Digest, in pieces by Content-Range; the header {STORED} of the answer says how "
        "much is stored: 201 the whole, 202 a part, 409 to go on from there",
        run=upload,
        is_upload=True,
        status=201,
    ),
)
