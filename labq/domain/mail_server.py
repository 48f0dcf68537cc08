"""Where mail is given to be sent, and what an address of e-mail is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from labq.domain.errors import ConfigurationError

FORM = "smtp://[USER:PASSWORD@]HOST[:PORT], smtp+starttls://... or smtps://..."
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is given to be sent; `sender` is what stands in From."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str


def read_server(url: str, sender: str = "") -> MailServer | None:
    """Return the server that the settings name, None for none; raises ConfigurationError."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"not the URL of a mail server: {FORM}") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError(f"not the URL of a mail server: {FORM}")
    return MailServer(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender or f"labq@{parts.hostname}",
    )


def read_addresses(text: str) -> tuple[str, ...]:
    """Return addresses that commas separate; raises ConfigurationError for what is none."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    for one in found:
        if not is_address(one):
            raise ConfigurationError(f"{one!r} is no e-mail address")
    return found


def is_address(text: str) -> bool:
    """Tell whether a text is one e-mail address and nothing else."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None
