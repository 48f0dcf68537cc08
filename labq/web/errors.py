"""One shape for every error (RFC 9457 problem details) and the one mapper of errors to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from flask import Response, g, make_response, render_template, request
from pydantic import TypeAdapter
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import RoutingException

from labq.domain.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InfrastructureError,
    InvalidInputError,
    JobError,
    LabqError,
    NotFoundError,
    Problem,
    TooLargeError,
    TooManyRequestsError,
    TooSlowError,
    UnauthenticatedError,
)
from labq.services.database import is_locked_out, is_too_slow
from labq.services.system import PartHealth

_LOG = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"
API = "/api/"
_STATUSES: tuple[tuple[type[LabqError], HTTPStatus], ...] = (
    (InvalidInputError, HTTPStatus.BAD_REQUEST),
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (JobError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConfigurationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InfrastructureError, HTTPStatus.SERVICE_UNAVAILABLE),
    (TooSlowError, HTTPStatus.SERVICE_UNAVAILABLE),
)
_RETRY_SECONDS = 2
_SLOW_RETRY_SECONDS = 5
TOO_SLOW = (
    "this took longer than a question to the database may: ask for less (a narrower filter, a shorter "
    "time, a lower limit), or try again later"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """The body of every error answer.

    `errors` names each thing wrong in an input; `missing` the parts of the server that are not
    there, for a request that cannot be served now.
    """

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    errors: tuple[Problem, ...] = ()
    missing: tuple[PartHealth, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A problem and the headers that go with it."""

    problem: ProblemDetails
    headers: Mapping[str, str] = field(default_factory=dict)


PROBLEM = TypeAdapter(ProblemDetails)


def answer_error(error: Exception) -> Response:
    """Return the answer for anything a handler raised: JSON below /api/, else a page."""
    if isinstance(error, RoutingException):
        return make_response(error)
    refusal = refusal_of(error)
    if request.path.startswith(API):
        body: bytes | str = PROBLEM.dump_json(refusal.problem)
        kind = PROBLEM_JSON
    else:
        body, kind = render_template("error.html", problem=refusal.problem), "text/html"
    status = refusal.problem.status
    return Response(body, status, headers=dict(refusal.headers), content_type=kind)


def refusal_of(error: Exception) -> Refusal:
    """Return how anything a handler raised is told: status, words and headers."""
    if isinstance(error, LabqError):
        return _of_labq(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, (DBAPIError, PoolTimeoutError)):
        return _of_database(error)
    return _of_bug(error)


def _of_labq(error: LabqError) -> Refusal:
    status = next((found for kind, found in _STATUSES if isinstance(error, kind)), None)
    if status is None:
        return _of_bug(error)
    errors = tuple(error.problems) if isinstance(error, InvalidInputError) else ()
    return Refusal(problem=_problem(status, str(error), errors), headers=_headers(error))


def _headers(error: LabqError) -> dict[str, str]:
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": 'Bearer realm="labq"'}
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, InfrastructureError):
        return {"Retry-After": str(_RETRY_SECONDS)}
    if isinstance(error, TooSlowError):
        return {"Retry-After": str(_SLOW_RETRY_SECONDS)}
    return {}


def _of_http(error: HTTPException) -> Refusal:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    kept = {"Allow", "Retry-After", "WWW-Authenticate"}
    headers = {key: value for key, value in error.get_headers() if key in kept}
    return Refusal(problem=_problem(status, error.description or ""), headers=headers)


def _of_database(error: DBAPIError | PoolTimeoutError) -> Refusal:
    if isinstance(error, DataError):
        return Refusal(problem=_problem(HTTPStatus.BAD_REQUEST, "a value is out of range"))
    if isinstance(error, IntegrityError):
        detail = "somebody else changed the same thing at the same time: look and try again"
        return Refusal(problem=_problem(HTTPStatus.CONFLICT, detail))
    if is_too_slow(error):
        return _of_labq(TooSlowError(TOO_SLOW))
    if is_locked_out(error) or isinstance(error, PoolTimeoutError):
        _LOG.warning("too busy for %s: %s", request.path, error.args[0] if error.args else error)
        return _of_labq(InfrastructureError("the server is too busy for this: try again"))
    if not isinstance(error, (OperationalError, InterfaceError)):
        return _of_bug(error)
    _LOG.warning("the database did not answer: %s", str(error.args[0] if error.args else error))
    detail = "the database does not answer at the moment"
    problem = _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    return Refusal(
        problem=replace(problem, missing=g.parts.note_no_database().missing),
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )


def _of_bug(error: Exception) -> Refusal:
    _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
    detail = "labq is at fault; its log says more"
    return Refusal(problem=_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


def _problem(status: HTTPStatus, detail: str, errors: tuple[Problem, ...] = ()) -> ProblemDetails:
    return ProblemDetails(status=status, title=status.phrase, detail=detail, errors=errors)
