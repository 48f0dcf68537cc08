"""The exchange with the server when a host joins: whom to trust, whether clocks agree, then the secrets."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from labq import __version__
from labq.cli.api import Row, refusal
from labq.cli.failures import Failed, Misused, Unreachable
from labq.domain.figures import describe_seconds
from labq.domain.names import LOOPBACK

MOST_APART = timedelta(minutes=2)
TIMEOUT = httpx.Timeout(30, connect=10)


@dataclass(frozen=True, slots=True)
class Server:
    """The server as a host sees it: its address, and the SHA-256 of the certificate to trust."""

    url: str
    ca_sha256: str = ""


def check_url(url: str, *, plain_http: bool) -> str:
    """Return the server's address; raises Misused for one over which a code must not go."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misused(f"{url} is no address of a server: it begins with https:// or http://")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not plain_http:
        raise Misused(
            f"{url} is plain HTTP: the code and the secrets of the host could be read on their way; "
            "use https://, or say --plain-http where you trust the network"
        )
    return url.rstrip("/")


def check_ca(text: str) -> str:
    """Return the hexadecimal part of `sha256:...`; raises Misused."""
    name, _, digits = text.partition(":")
    if text and (name != "sha256" or len(digits) != 64 or not _is_hexadecimal(digits)):
        raise Misused(f"--ca {text!r} is not sha256: and 64 hexadecimal digits")
    return digits.lower()


def exchange(server: Server, path: str, secret: Row) -> Row:
    """Send a secret of the host and return what the server gives for it.

    Raises Unreachable, Failed when the certificate is not the expected one or clocks disagree, and
    what the server's refusal becomes.
    """
    trusted = _ask(server, lambda client: client.get("/enrolment"), _open_context(server))
    certificate = str(trusted.get("certificate", ""))
    if server.ca_sha256 and _fingerprint(certificate) != server.ca_sha256:
        raise Failed(
            f"{server.url} shows another certificate authority than the one of your command: this is "
            "another server, or somebody is in between"
        )
    _check_clock(trusted)
    body = {**secret, "clock": _now().isoformat(), "machine": socket.gethostname()}
    context = _context(certificate if server.ca_sha256 else "")
    return _ask(server, lambda client: client.post(path, json=body), context)


def _open_context(server: Server) -> ssl.SSLContext:
    """Return how to ask for the certificate: what comes is compared with the digest, if there is one."""
    context = _context("")
    if server.ca_sha256:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if certificate:
        context.load_verify_locations(cadata=certificate)
    return context


def _ask(
    server: Server, ask: Callable[[httpx.Client], httpx.Response], context: ssl.SSLContext
) -> Row:
    client = httpx.Client(
        base_url=f"{server.url}/api/v1",
        headers={"User-Agent": f"labq/{__version__}", "Accept": "application/json"},
        timeout=TIMEOUT,
        verify=context,
    )
    with client:
        try:
            answer = ask(client)
        except httpx.TransportError as error:
            raise Unreachable(f"can't reach {server.url}: {_reason(error)}") from error
    if not answer.is_success:
        raise refusal(answer)
    try:
        found: Any = answer.json()
    except ValueError as error:
        raise Unreachable(f"{answer.url} is no labq server: {answer.text[:100]!r}") from error
    if not isinstance(found, dict):
        raise Unreachable(f"{answer.url} is no labq server: {answer.text[:100]!r}")
    return found


def _reason(error: httpx.TransportError) -> str:
    text = str(error) or type(error).__name__
    if "certificate" in text:
        text += f" (the clock of this machine says {_now():%Y-%m-%d %H:%M:%S} UTC)"
    return text


def _check_clock(trusted: Row) -> None:
    here, there = _now(), datetime.fromisoformat(str(trusted["clock"]))
    apart = abs(here - there)
    if apart > MOST_APART:
        raise Failed(
            f"the clock of this machine says {here:%Y-%m-%d %H:%M:%S} UTC, the server's "
            f"{there:%Y-%m-%d %H:%M:%S} UTC: they are {describe_seconds(apart.total_seconds())} apart; "
            "set the wrong one (`timedatectl` shows it) and run the same command again, "
            "its code is still good",
            {"clock": here.isoformat(), "server_clock": there.isoformat()},
        )


def _fingerprint(certificate: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    except ValueError:
        return ""


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def _now() -> datetime:
    return datetime.now(UTC)
