"""Errors as LAVA's REST API tells them: `{"detail": ...}`, for fields `{field: [...]}`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from labq.domain.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from labq.web import auth
from labq.web.endpoint import JSON
from labq.web.errors import refusal_of
from labq.web.lava.rest.route import dumped

_STATUSES: Mapping[int, int] = {
    # A token that is not good is refused like somebody who may not do it.
    HTTPStatus.UNAUTHORIZED: HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
}
_BAD_TOKEN = "Invalid token."  # noqa: S105 - words
_NO_TOKEN = "Authentication credentials were not provided."  # noqa: S105 - as above


def answer(error: Exception) -> Response:
    """Return the answer for anything that a request raised."""
    refusal = refusal_of(error)
    status = _STATUSES.get(refusal.problem.status, refusal.problem.status)
    headers = {name: text for name, text in refusal.headers.items() if name != "WWW-Authenticate"}
    return Response(dumped(_told(error)), status, headers=headers, content_type=JSON)


def message_of(error: Exception) -> str:
    """Return an error on one line, each problem with its path."""
    if isinstance(error, InvalidInputError):
        return "; ".join(
            f"{one.path}: {one.message}" if one.path else one.message for one in error.problems
        )
    return refusal_of(error).problem.detail


def _told(error: Exception) -> Mapping[str, object]:
    if isinstance(error, InvalidInputError):
        found: dict[str, list[str]] = {}
        for one in error.problems:
            found.setdefault(one.path or "non_field_errors", []).append(one.message)
        is_detail = set(found) == {"detail"}
        return {"detail": " ".join(found["detail"])} if is_detail else found
    if isinstance(error, UnauthenticatedError):
        return {"detail": _BAD_TOKEN if auth.has_token() else _NO_TOKEN}
    if isinstance(error, NotFoundError):
        return {"detail": "Not found."}
    if isinstance(error, MethodNotAllowed):
        return {"detail": f'Method "{request.method}" not allowed.'}
    if isinstance(error, HTTPException) and error.code == HTTPStatus.NOT_FOUND:
        return {"detail": "Not found."}
    return {"detail": refusal_of(error).problem.detail}
