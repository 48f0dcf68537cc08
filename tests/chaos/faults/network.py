"""Faults of the way between a host and the server."""

from __future__ import annotations

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import HOSTS, Ground

LINKS = tuple(Target(host, "network") for host in HOSTS)


class Cut(Kind):
    """Nothing passes, and nobody is told."""

    name = "cut"
    weight = 8
    seconds = (1.0, 12.0)
    targets = LINKS

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = fault.target.host
        ground.network.cut(host)
        return Done(f"for {fault.seconds:.1f} s", lambda: ground.network.mend(host))


class Delay(Kind):
    """Everything comes later."""

    name = "delay"
    weight = 5
    seconds = (2.0, 10.0)
    targets = LINKS

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host, delay = fault.target.host, 0.05 + fault.seconds / 25
        ground.network.delay(host, delay)
        words = f"{delay:.2f} s for {fault.seconds:.1f} s"
        return Done(words, lambda: ground.network.mend(host))


class HangUp(Kind):
    """All connections of a host are reset."""

    name = "hang up"
    weight = 4
    targets = LINKS

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        ground.network.hang_up(fault.target.host)
        return Done("all connections")
