"""`POST /RPC2`: who asks, which method, one transaction, one answer; a fault is an answer, too."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from xmlrpc.client import Fault

from flask import Flask, Response, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from labq.domain.errors import UnauthenticatedError
from labq.services.visibility import ANONYMOUS, Viewer
from labq.web import auth, observing
from labq.web.dispatch import Dispatcher, Errand
from labq.web.endpoint import TEXT, Call, Level
from labq.web.lava import wire
from labq.web.lava.faults import fault_of, login_needed
from labq.web.lava.introspection import MULTICALL, describe
from labq.web.lava.method import Method, bind
from labq.web.lava.rpc import METHODS

PATH = "/RPC2"
MOST_CALLS = 200
"""Of one multicall."""
REALM = "XML-RPC Authentication token"
_XML = "text/xml; charset=utf-8"
_UNKNOWN = "rpc.unknown"


class BadHeaderError(Exception):
    """The Authorization header has no user and secret in it."""


class BadCredentialsError(UnauthenticatedError):
    """The user has no such token."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and secret of a request."""

    user: str
    secret: str


def register(app: Flask, dispatcher: Dispatcher) -> None:
    """Serve all methods below one address, with a slash at its end or without."""
    server = Server(dispatcher, {method.name: method for method in (*METHODS, *describe(METHODS))})
    app.add_url_rule(PATH, "rpc", server.answer, methods=["POST"])
    app.add_url_rule(PATH, "rpc.help", _lead_to_docs, methods=["GET"])


class Server:
    """Answers calls from a table of methods."""

    def __init__(self, dispatcher: Dispatcher, methods: Mapping[str, Method]) -> None:
        self._dispatcher = dispatcher
        self._methods = methods

    def answer(self) -> AnyResponse:
        """Answer the request at hand."""
        data = request.get_data(cache=False)
        if not data:
            return _lead_to_docs()
        try:
            credentials = _credentials(request.headers.get("Authorization"))
            asked = wire.read_call(_unpacked(data))
            body = wire.write_answer(self._value(credentials, asked))
        except BadHeaderError as error:
            return Response(str(error), HTTPStatus.BAD_REQUEST, content_type=TEXT)
        except BadCredentialsError:
            headers = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
            return Response("Invalid token", HTTPStatus.UNAUTHORIZED, headers, content_type=TEXT)
        except Exception as error:  # noqa: BLE001 - whatever a method raises is an answer
            body = wire.write_fault(fault_of(error))
        return Response(body, content_type=_XML)

    def _value(self, credentials: Credentials | None, asked: wire.Asked) -> object:
        """Return what a call returns; raises what it raises."""
        method = self._methods.get(asked.method)
        observing.name_call(f"rpc.{method.name}" if method else _UNKNOWN)
        if method is None or method.name != MULTICALL:
            return self._one(credentials, asked)
        (calls,) = bind(method, asked.arguments)
        if not isinstance(calls, list) or len(calls) > MOST_CALLS:
            raise Fault(wire.BAD_ARGUMENTS, f"{MULTICALL} takes at most {MOST_CALLS} calls")
        return [self._part(credentials, one) for one in calls]

    def _part(self, credentials: Credentials | None, one: object) -> object:
        """Return the value of one call of several in an array, or its fault."""
        try:
            return [self._one(credentials, _part(one))]
        except BadCredentialsError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            fault = fault_of(error)
            return {"faultCode": fault.faultCode, "faultString": fault.faultString}

    def _one(self, credentials: Credentials | None, asked: wire.Asked) -> object:
        method = self._methods.get(asked.method)

        def answer(call: Call) -> object:
            if method is None:
                raise Fault(wire.UNKNOWN_METHOD, f"No such method: '{asked.method}'")
            if method.level > Level.ANONYMOUS and call.viewer.is_anonymous:
                raise login_needed()
            auth.require(method.level, call.viewer)
            return method.run(call, *bind(method, asked.arguments))

        def authenticate(session: Session, now: datetime) -> Viewer:
            return self._authenticate(session, credentials, now)

        errand = Errand(
            name=f"rpc.{method.name}" if method else _UNKNOWN,
            secret=credentials.secret if credentials else None,
            authenticate=authenticate,
            is_change=method is not None and method.is_change,
        )
        return self._dispatcher.call(errand, answer)

    def _authenticate(
        self, session: Session, credentials: Credentials | None, now: datetime
    ) -> Viewer:
        """Return whose token it is; raises BadCredentialsError, also for another user's token."""
        if credentials is None:
            return ANONYMOUS
        try:
            viewer = self._dispatcher.find_holder(session, credentials.secret, now)
        except UnauthenticatedError as error:
            raise BadCredentialsError(str(error)) from error
        if viewer.name != credentials.user:
            raise BadCredentialsError("the token is another user's")
        return viewer


def _part(one: object) -> wire.Asked:
    if not isinstance(one, dict) or not isinstance(one.get("methodName"), str):
        raise Fault(wire.BAD_ARGUMENTS, f"{MULTICALL} takes an array of {{methodName, params}}")
    arguments = one.get("params", [])
    if not isinstance(arguments, list) or one["methodName"] == MULTICALL:
        raise Fault(wire.BAD_ARGUMENTS, f"{MULTICALL}: params must be an array, and no {MULTICALL}")
    return wire.Asked(one["methodName"], tuple(arguments))


def _credentials(header: str | None) -> Credentials | None:
    """Return user and secret of a header `Basic ...`, None without one; raises BadHeaderError."""
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    if not value:
        raise BadHeaderError("Invalid HTTP_AUTHORIZATION header")
    if scheme.lower() != "basic":
        message = "Unsupported HTTP_AUTHORIZATION header, only Basic scheme is supported"
        raise BadHeaderError(message)
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        message = "Corrupted HTTP_AUTHORIZATION header, bad base64 encoding"
        raise BadHeaderError(message) from error
    user, colon, secret = text.partition(":")
    if not colon:
        raise BadHeaderError("Corrupted HTTP_AUTHORIZATION header, no user:pass")
    return Credentials(user, secret)


def _unpacked(data: bytes) -> bytes:
    return wire.unpack(data) if request.content_encoding == "gzip" else data


def _lead_to_docs() -> AnyResponse:
    return redirect("/api/docs")
