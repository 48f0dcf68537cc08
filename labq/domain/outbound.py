"""Where callbacks may go: addresses are judged after the name was resolved, never by the name alone.

Nothing in the lab's own network is called unless the setting names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from labq.domain.errors import ConfigurationError, ForbiddenError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
PUBLIC = "public"
SETTING = "LABQ_CALLBACK_ALLOW"
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_PORTS = {"http": 80, "https": 443}


class RefusedError(ForbiddenError):
    """A URL that is not called, now or later."""


@dataclass(frozen=True, slots=True)
class Target:
    """What of a URL decides whether it is called."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the setting: a name (`*.` for all below it) or a network, at one port or at any."""

    name: str = ""
    network: Network | None = None
    port: int | None = None

    def names(self, target: Target) -> bool:
        """Tell whether it names the target's host, or one of the names below that it names."""
        if not self.name or self.port not in (None, target.port):
            return False
        host = target.host.lower().rstrip(".")
        return host == self.name or (self.name.startswith("*.") and host.endswith(self.name[1:]))

    def holds(self, target: Target, address: Address) -> bool:
        """Tell whether the address is in its network."""
        if self.network is None or self.port not in (None, target.port):
            return False
        return _plain(address) in self.network


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be called: public addresses where `is_public`, and what entries name."""

    is_public: bool
    entries: tuple[Entry, ...]

    def check(self, target: Target, address: Address) -> None:
        """Raise RefusedError unless this address of the target may be called."""
        if any(one.names(target) or one.holds(target, address) for one in self.entries):
            return
        shown = target.host if target.host == str(address) else f"{target.host} ({address})"
        if not is_public(address):
            raise RefusedError(f"{shown} is in the own network: an admin may allow it by {SETTING}")
        if not self.is_public:
            raise RefusedError(f"{shown} is not among those of {SETTING}")


def read_rules(text: str) -> Rules:
    """Return the rules of the setting; empty: every public address, and no other.

    Entries, separated by commas, are `public`, a name, `*.name`, an address or a network, the port
    behind a colon (IPv6 in brackets then). Raises ConfigurationError for what is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    entries = tuple(_entry(word) for word in words if word != PUBLIC)
    return Rules(is_public=not words or PUBLIC in words, entries=entries)


def read_target(url: str) -> Target:
    """Return what of a URL counts; raises RefusedError for what is no URL of HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RefusedError(f"not a URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise RefusedError(f"not a URL of HTTP: {_without_secrets(parts)}")
    return Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def is_public(address: Address) -> bool:
    """Tell whether an address is of the internet, however it is written as one of IPv6."""
    plain = _plain(address)
    if isinstance(plain, IPv6Address) and (plain.is_site_local or plain in _COMPATIBLE):
        return False
    return plain.is_global and not (plain.is_multicast or plain.is_reserved)


def choose(rules: Rules, target: Target, found: Sequence[str]) -> Address:
    """Return the address to call; one that must not be called rules the name out.

    Raises RefusedError.
    """
    addresses = [ip_address(one.partition("%")[0]) for one in found]
    for address in addresses:
        rules.check(target, address)
    if not addresses:
        raise RefusedError(f"{target.host} has no address")
    return addresses[0]


def _plain(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 stands for, where it does."""
    if not isinstance(address, IPv6Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address


def _entry(word: str) -> Entry:
    host, port = _split(word)
    try:
        return Entry(network=ip_network(host), port=port)
    except ValueError:
        pass
    if "/" in host or ":" in host or not host.removeprefix("*."):
        raise ConfigurationError(f"{word!r} is neither a name nor an address or network")
    return Entry(name=host.lower().rstrip("."), port=port)


def _split(word: str) -> tuple[str, int | None]:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    host, colon, port = word.rpartition(":")
    is_bare = not colon or (word.count(":") > 1 and not host.endswith("]"))
    if is_bare:
        return word.strip("[]"), None
    if not (port.isascii() and port.isdigit()):
        raise ConfigurationError(f"{word!r} has no port behind its colon")
    return host.strip("[]"), int(port)


def _without_secrets(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname or ''}"
