"""Forms and scripts prove that they come from a page of ours: a token bound to the cookie."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Response, current_app, g, request

from labq.domain.errors import ForbiddenError
from labq.services.credentials import is_secret, new_secret
from labq.web.auth import session_secret

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
VISIT_COOKIE = "labq_visit"


def csrf_token() -> str:
    """Return the token for a form on this page; a visitor without a session gets a cookie for it."""
    return _token_of(session_secret() or _visit())


def check() -> None:
    """Raise ForbiddenError unless the request has the token of its cookie and our own origin."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        message = f"the request comes from another site: {origin}"
        raise ForbiddenError(message)
    seed = session_secret() or request.cookies.get(VISIT_COOKIE, "")
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if not seed or not hmac.compare_digest(_token_of(seed).encode(), given.encode()):
        raise ForbiddenError("the form is too old: load the page again and repeat")


def keep_visit(response: Response) -> Response:
    """Set the cookie of a visitor for whom a token was made."""
    if "new_visit" in g:
        response.set_cookie(
            VISIT_COOKIE, g.new_visit, secure=request.is_secure, httponly=True, samesite="Lax"
        )
    return response


def _visit() -> str:
    known = request.cookies.get(VISIT_COOKIE, "")
    if is_secret(known):
        return known
    if "new_visit" not in g:
        g.new_visit = new_secret()
    return str(g.new_visit)


def _token_of(seed: str) -> str:
    key = current_app.secret_key
    secret = key.encode() if isinstance(key, str) else key or b""
    return hmac.new(secret, b"csrf:" + seed.encode(), "sha256").hexdigest()
