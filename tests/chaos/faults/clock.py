"""A host's wall clock is set to another time, and some seconds later set right (libfaketime)."""

from __future__ import annotations

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import HOSTS, Ground

STEPS = (-86_400, -3_600, -7, 7, 3_600, 86_400)


class ClockStep(Kind):
    """All processes of a host see another time; what measures durations goes on."""

    name = "clock step"
    weight = 6
    seconds = (2.0, 10.0)
    targets = tuple(Target(host, "clock") for host in HOSTS)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = ground.hosts[fault.target.host]
        step = STEPS[fault.number % len(STEPS)]
        host.set_clock(step)
        return Done(f"{step:+} s for {fault.seconds:.1f} s", lambda: host.set_clock(0))
