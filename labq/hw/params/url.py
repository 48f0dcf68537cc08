"""Parameters of the console driver `url`: `unix:///path`, `socket://host:port`, a port, others.

A serial port may carry its speed: `/dev/ttyUSB0?baud=9600` (115200 without it), and be written with
its scheme: `serial:///dev/serial/by-path/...`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from labq.domain.errors import ConfigurationError

BAUD = 115200
SERIAL = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUrl:
    """A console's URL, taken apart. `scheme` is empty for a serial port of this host."""

    scheme: str
    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    baud: int = BAUD


def parse_url(url: str) -> ConsoleUrl:
    """Take a URL apart; raises ConfigurationError that says what is wrong with it."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        baud = int((query.get("baud") or query.get("baudrate") or [str(BAUD)])[0])
        port = parts.port or 0
    except ValueError as error:
        raise ConfigurationError(f"console {url!r}: {error}") from error
    found = ConsoleUrl(
        scheme="" if parts.scheme == SERIAL else parts.scheme,
        url=url,
        path=parts.path,
        host=parts.hostname or "",
        port=port,
        baud=baud,
    )
    _check(found)
    return found


def _check(found: ConsoleUrl) -> None:
    if found.scheme in ("", "unix") and not found.path.startswith("/"):
        raise ConfigurationError(f"console {found.url!r} has no absolute path")
    if found.scheme == "socket" and not (found.host and found.port):
        raise ConfigurationError(f"console {found.url!r} has no host and port")
