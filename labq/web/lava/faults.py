"""Errors of services as LAVA's faults: their codes are those of HTTP where LAVA's are."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import UnauthenticatedError
from labq.services.visibility import Viewer
from labq.web.errors import refusal_of
from labq.web.lava.wire import OUR_FAULT

_CODES = {
    HTTPStatus.CONFLICT: HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    # Clients take faults of five hundred and something for passing, and all others as final.
    HTTPStatus.TOO_MANY_REQUESTS: HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: OUR_FAULT,
}


def fault_of(error: Exception) -> Fault:
    """Return the fault for whatever a method raised."""
    if isinstance(error, Fault):
        return error
    problem = refusal_of(error).problem
    status = HTTPStatus(problem.status)
    return Fault(int(_CODES.get(status, status)), problem.detail)


def login_needed() -> UnauthenticatedError:
    """Return the error for a stranger who asks for what users alone are given."""
    return UnauthenticatedError("Authentication with user and token required for this API.")


def not_found(noun: str, name: object) -> Fault:
    """Return LAVA's fault for a name that nothing has."""
    return Fault(int(HTTPStatus.NOT_FOUND), f"{noun} '{name}' was not found.")


def not_available(noun: str, name: object, viewer: Viewer) -> Fault:
    """Return LAVA's fault for what is hidden from this viewer."""
    who = viewer.name or "AnonymousUser"
    return Fault(int(HTTPStatus.FORBIDDEN), f"{noun} '{name}' not available to user '{who}'.")


def bad_request(message: str) -> Fault:
    """Return the fault for a value that means nothing."""
    return Fault(int(HTTPStatus.BAD_REQUEST), message)
