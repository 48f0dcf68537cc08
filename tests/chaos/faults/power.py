"""A host loses its power: everything ends at once, and what was not synced is gone."""

from __future__ import annotations

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.faults.signals import CLOSED
from tests.chaos.ground import HOSTS, Ground


class PowerCut(Kind):
    """The host comes back some seconds later."""

    name = "power cut"
    weight = 6
    seconds = (0.5, 4.0)
    targets = tuple(Target(host, "power") for host in HOSTS)
    explains = (("power", CLOSED),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = ground.hosts[fault.target.host]
        if host.unit.pid is None:
            return None
        lost = host.cut_power(fault.seconds)
        return Done(f"{lost} bytes lost, back after {fault.seconds:.1f} s")
