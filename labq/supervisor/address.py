"""Where the server of this machine listens: ports are claimed before anything is started."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from labq.config import Settings
from labq.domain.errors import ConfigurationError, InfrastructureError

ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a user may have set


@dataclass(frozen=True, slots=True)
class Address:
    """Where web and stream listen, and where they are reached from this machine.

    `event_port` is where events are published, 0 for nowhere.
    """

    host: str
    port: int
    stream_port: int
    event_port: int = 0

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return f"http://{in_url(self.host)}:{self.port}"


def in_url(host: str) -> str:
    """Return an address as URLs have it."""
    return f"[{host}]" if ":" in host else host


def local_url(settings: Settings) -> str:
    """Return the URL of the server of these settings for this machine."""
    host = settings.web_host
    return Address(ANY.get(host, host), settings.web_port, settings.stream_port).url


def choose(settings: Settings, port: int | None) -> Address:
    """Return the address to use: of the settings, but web at `port` (0: any) when it is given.

    With `port` and no LABQ_STREAM_PORT, stream takes any free port. Events are published at a free
    one where that of the settings is taken, but at that alone if LABQ_EVENT_PORT names it.
    Raises InfrastructureError when a port is taken.
    """
    host = settings.web_host
    wanted = settings.web_port if port is None else port
    web = claim(host, wanted, "choose another one with --port")
    told = port is None or "LABQ_STREAM_PORT" in os.environ
    stream = claim(
        host, settings.stream_port if told else 0, "choose another one by LABQ_STREAM_PORT"
    )
    events = _choose_event_port(settings, is_default=port is None)
    return Address(ANY.get(host, host), web, stream, events)


def _choose_event_port(settings: Settings, *, is_default: bool) -> int:
    """Return where to publish events; a server beside another one takes what is free."""
    host, wanted = settings.web_host, settings.event_port
    if wanted == 0:
        return 0
    if "LABQ_EVENT_PORT" in os.environ:
        return claim(host, wanted, "choose another one by LABQ_EVENT_PORT, or 0 for none")
    if is_default:
        try:
            return claim(host, wanted, "")
        except InfrastructureError:
            pass
    return claim(host, 0, "")


def split(text: str, port: int) -> tuple[str, int]:
    """Return host and port of `HOST[:PORT]`, an IPv6 address in brackets if a port follows.

    Raises ConfigurationError for what is neither.
    """
    if text.count(":") > 1 and not text.startswith("["):
        return text, port
    parts = urlsplit(f"//{text}")
    try:
        found = parts.port
    except ValueError:
        found = 0
    if not parts.hostname or found == 0 or parts.path:
        raise ConfigurationError(f"{text!r} is not ADDRESS or ADDRESS:PORT")
    return parts.hostname, found or port


def is_here(host: str) -> bool:
    """Tell whether an address is one of this machine's own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def claim(host: str, port: int, advice: str) -> int:
    """Return the port, or a free one for 0; raises InfrastructureError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"port {port} of {host} cannot be used: {error.strerror}: {advice}"
            raise InfrastructureError(reason) from error
        chosen: int = probe.getsockname()[1]
        return chosen
