"""The disk of a host is full for some seconds."""

from __future__ import annotations

import resource
from contextlib import suppress

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import HOSTS, Ground
from tests.chaos.lab_host import LabHost

FULL = r"cannot write|too large|No space|disk"


class DiskFull(Kind):
    """No process of the host can write: a quota of no byte."""

    name = "disk full"
    weight = 5
    seconds = (0.5, 4.0)
    targets = tuple(Target(host, "disk") for host in HOSTS)
    explains = (("disk", FULL),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = ground.hosts[fault.target.host]
        pids = host.parts()
        if not pids:
            return None
        _limit(pids, 0)
        return Done(f"for {fault.seconds:.1f} s", lambda: _lift(host))


def _lift(host: LabHost) -> None:
    """Take the quota from everything: what was started meanwhile has it too, and hands it on."""
    while limited := [pid for pid in host.everything() if _is_limited(pid)]:
        _limit(limited, resource.RLIM_INFINITY)


def _is_limited(pid: int) -> bool:
    try:
        return resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 0
    except (ProcessLookupError, PermissionError):
        return False


def _limit(pids: list[int], most: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))
