"""The way between hosts and server: relays, and for root network namespaces with a packet filter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from typing_extensions import override

from tests.chaos.relay import Address, Line, Relay

DROP = """\
table inet chaos {{
    chain {hook} {{
        type filter hook {hook} priority 0; policy drop;
    }}
}}
"""


class Network(Protocol):
    """Connects hosts to the server, at its `address`, and takes the connection away."""

    address: str

    def connect(self, host: str, target: Callable[[], Address]) -> Address:
        """Return the address under which the host reaches the target."""

    def prefix(self, host: str) -> tuple[str, ...]:
        """Return the words to put before a command that runs on the host."""

    def cut(self, host: str) -> None:
        """Let nothing through any more; nobody is told."""

    def mend(self, host: str) -> None:
        """Let everything through again, without delay."""

    def delay(self, host: str, seconds: float) -> None:
        """Let everything through later."""

    def hang_up(self, host: str) -> None:
        """Reset all connections of the host."""

    def close(self) -> None:
        """Take everything down."""


@dataclass(slots=True)
class RelayNetwork(Network):
    """Hosts that reach the server by a relay which goes silent."""

    address: str = "127.0.0.1"
    relay: Relay = field(default_factory=Relay)
    lines: dict[str, list[Line]] = field(default_factory=dict)

    @override
    def connect(self, host: str, target: Callable[[], Address]) -> Address:
        line = self.relay.add(self.address, target)
        self.lines.setdefault(host, []).append(line)
        return line.address

    @override
    def prefix(self, host: str) -> tuple[str, ...]:
        return ()

    @override
    def cut(self, host: str) -> None:
        for line in self.lines[host]:
            self.relay.set_silent(line, True)

    @override
    def mend(self, host: str) -> None:
        for line in self.lines[host]:
            line.delay = 0.0
            self.relay.set_silent(line, False)

    @override
    def delay(self, host: str, seconds: float) -> None:
        for line in self.lines[host]:
            line.delay = seconds

    @override
    def hang_up(self, host: str) -> None:
        for line in self.lines[host]:
            self.relay.hang_up(line)

    @override
    def close(self) -> None:
        self.relay.close()


class NamespaceNetwork(RelayNetwork):
    """Hosts in network namespaces; what cuts them off is a packet filter that drops everything."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        super().__init__()
        self._spaces = {host: _Space.make(host) for host in hosts}
        # One name for the server wherever it is seen from: that of its first link.
        self.address = self._spaces[hosts[0]].outer
        for space in self._spaces.values():
            space.lead_to(self.address)

    @override
    def prefix(self, host: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._spaces[host].name)

    @override
    def cut(self, host: str) -> None:
        for hook in ("input", "output"):
            self._spaces[host].nft("-", text=DROP.format(hook=hook))

    @override
    def mend(self, host: str) -> None:
        super().mend(host)
        self._spaces[host].nft("delete table inet chaos", check=False)

    @override
    def close(self) -> None:
        super().close()
        for space in self._spaces.values():
            space.remove()


@dataclass(frozen=True, slots=True)
class _Space:
    name: str
    link: str
    outer: str

    @classmethod
    def make(cls, host: str) -> _Space:
        """Make a namespace with one link to this machine."""
        for number in count(1):
            name = f"chaos{os.getpid()}-{host}"
            link = f"chaos{number}"
            space = cls(name, link, f"10.231.{number}.1")
            if _ip("link", "add", link, "type", "veth", "peer", "name", f"{link}p", check=False):
                break
        _ip("netns", "add", name)
        _ip("link", "set", f"{link}p", "netns", name)
        _ip("addr", "add", f"{space.outer}/24", "dev", link)
        _ip("link", "set", link, "up")
        inside = ("netns", "exec", name, "ip")
        _ip(*inside, "addr", "add", f"10.231.{number}.2/24", "dev", f"{link}p")
        _ip(*inside, "link", "set", f"{link}p", "up")
        _ip(*inside, "link", "set", "lo", "up")
        return space

    def lead_to(self, address: str) -> None:
        """Let the namespace reach another address of this machine."""
        if address != self.outer:
            _ip("netns", "exec", self.name, "ip", "route", "add", address, "via", self.outer)

    def nft(self, *words: str, text: str = "", check: bool = True) -> None:
        """Change the packet filter of the namespace."""
        command = ("-f", *words) if text else words
        subprocess.run(
            ("ip", "netns", "exec", self.name, "nft", *command),
            input=text,
            text=True,
            check=check,
            capture_output=True,
            timeout=20,
        )

    def remove(self) -> None:
        """Remove the namespace and the link."""
        with suppress(subprocess.SubprocessError):
            _ip("link", "del", self.link, check=False)
            _ip("netns", "del", self.name, check=False)


def choose(kind: str, hosts: tuple[str, ...]) -> Network:
    """Return the network of a kind; `auto` is namespaces where they can be made."""
    if kind == "auto":
        kind = "namespace" if _can_make_namespaces() else "relay"
    return NamespaceNetwork(hosts) if kind == "namespace" else RelayNetwork()


def _can_make_namespaces() -> bool:
    return os.geteuid() == 0 and all(shutil.which(name) for name in ("ip", "nft"))


def _ip(*words: str, check: bool = True) -> bool:
    done = subprocess.run(("ip", *words), check=False, capture_output=True, text=True, timeout=20)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.returncode == 0
