"""What is unwise about hosts: of this machine, and of those that the server knows."""

from __future__ import annotations

from collections.abc import Iterator

from labq.cli.api import connect
from labq.cli.checks.finding import Finding, State
from labq.cli.failures import Failed
from labq.hw.machine import has_pressure


def pressure() -> Iterator[Finding]:
    """See whether the kernel tells how long tasks wait: limits of slots follow that."""
    if has_pressure():
        yield Finding("pressure", State.GOOD, "the kernel tells pressure figures (PSI)")
    else:
        found = "no pressure figures (PSI): limits of slots follow the load alone"
        yield Finding("pressure", State.WEAK, found, "boot the kernel with psi=1")


def known_hosts() -> Iterator[Finding]:
    """Repeat what the server says of its hosts; nothing where no server is known or answers."""
    try:
        with connect() as api:
            for host in api.pages("/hosts"):
                for warning in host["warnings"]:
                    yield Finding(f"host {host['name']}", State.WEAK, warning)
                if host["is_overloaded"]:
                    found = f"overloaded: {host['overload_reason']}"
                    yield Finding(f"host {host['name']}", State.WEAK, found)
    except Failed:
        return
