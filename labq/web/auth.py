"""Who makes the request: an API token in the header, or the web session in the cookie."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flask import Response, request
from sqlalchemy.orm import Session

from labq.domain.errors import ForbiddenError, UnauthenticatedError
from labq.services import logins, tokens
from labq.services.logins import OpenedLogin
from labq.services.visibility import ANONYMOUS, Viewer
from labq.web.endpoint import Level
from labq.web.viewers import Viewers

COOKIE = "labq_session"
_SCHEMES = frozenset({"bearer", "token"})


def has_token() -> bool:
    """Tell whether the request carries credentials of its own, not those of a browser."""
    return "Authorization" in request.headers


def session_secret() -> str | None:
    """Return the secret in the session's cookie."""
    return request.cookies.get(COOKIE)


def secret() -> str | None:
    """Return the credential that the request brings, good or not; None for a stranger."""
    return request.headers.get("Authorization") or session_secret()


def authenticate(session: Session, now: datetime, viewers: Viewers | None = None) -> Viewer:
    """Return who asks, without a query when there are no credentials or `viewers` knows it.

    Raises UnauthenticatedError for a token that is not good; a session that is over is anonymous.
    """
    if has_token():
        scheme, _, secret = request.headers["Authorization"].partition(" ")
        if scheme.lower() not in _SCHEMES:
            raise UnauthenticatedError("send the token as `Authorization: Bearer <token>`")
        return holder(session, secret.strip(), now, viewers)
    secret_of_cookie = session_secret()
    if secret_of_cookie is None:
        return ANONYMOUS
    return logins.authenticate(session, secret_of_cookie, now)


def holder(session: Session, secret: str, now: datetime, viewers: Viewers | None) -> Viewer:
    """Return whose token it is, without a query when `viewers` knows; raises UnauthenticatedError."""
    if viewers is None:
        return tokens.authenticate(session, secret, now)
    return viewers.find(secret, now, partial(tokens.look_up, session, secret, now))


def require(level: Level, viewer: Viewer) -> None:
    """Let only callers of the level pass; raises UnauthenticatedError, ForbiddenError."""
    if level is Level.ANONYMOUS or viewer.is_admin:
        return
    if viewer.is_anonymous:
        raise UnauthenticatedError("log in, or send a token")
    if level is Level.ADMIN:
        raise ForbiddenError("only an admin may do this")


def open_session(response: Response, login: OpenedLogin) -> Response:
    """Give the browser its session."""
    response.set_cookie(
        COOKIE,
        login.secret,
        expires=login.expires_at,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def close_session(response: Response) -> Response:
    """Take the session from the browser."""
    response.delete_cookie(COOKIE, secure=request.is_secure, httponly=True, samesite="Lax")
    return response
