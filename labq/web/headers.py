"""Headers of every answer: what a browser may do with it."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Response, g, request

from labq.config import Settings


def csp_nonce() -> str:
    """Return the nonce that lets this answer's own inline scripts and styles run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def stream_url(settings: Settings) -> str:
    """Return where browsers reach the stream process: as set, or this host at its port."""
    if settings.stream_url:
        return settings.stream_url.rstrip("/")
    name = urlsplit(f"//{request.host}").hostname or "localhost"
    host = f"[{name}]" if ":" in name else name
    return f"{request.scheme}://{host}:{settings.stream_port}"


def secure(response: Response, settings: Settings) -> Response:
    """Add the security headers."""
    nonce = f" 'nonce-{g.csp_nonce}'" if "csp_nonce" in g else ""
    policy = (
        "default-src 'none'",
        f"script-src 'self'{nonce}",
        f"style-src 'self'{nonce}",
        "img-src 'self' data:",
        f"connect-src 'self' {stream_url(settings)}",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    response.headers.setdefault("Content-Security-Policy", "; ".join(policy))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    if response.mimetype != "text/css" and request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
