"""Signals to processes: kill -9, SIGSTOP for a while, SIGTERM."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import HOSTS, Ground
from tests.lab.processes import tree

WORKERS = ("steps", "tests", "collect")
ON_HOSTS = tuple(
    Target(host, part) for host in HOSTS for part in (*WORKERS, "bench", "supervisor", "warden")
)
AT_WORK = tuple(target for target in ON_HOSTS if target.part in (*WORKERS, "bench"))
ON_SERVER = tuple(
    Target("", part)
    for part in (
        *("conductor", "conductor2", "web", "web2", "stream", "core"),
        *("redis", "postgres", "supervisor"),
    )
)
STOPPED = r"the host was stopped"
CLOSED = r"console|connection|emulator|closed|nobody|terminal|keeper"
DYING = r"step keeps dying"


def find(ground: Ground, target: Target) -> list[int]:
    """Return the processes of a target; of PostgreSQL all."""
    if target.host:
        pid = ground.hosts[target.host].part(target.part)
    else:
        pid = ground.server_part(target.part)
    if pid is None:
        return []
    return [item.pid for item in tree(pid)] if target.part == "postgres" else [pid]


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to all that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Killed(Kind):
    """kill -9; what has steps or runs in its memory the most often."""

    name = "kill"
    weight = 30
    targets = (*ON_HOSTS, *ON_SERVER, *(AT_WORK * 2))
    explains = (("supervisor", CLOSED),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        pids = find(ground, fault.target)
        if not pids:
            return None
        send(pids[:1], signal.SIGKILL)
        return Done(f"process {pids[0]}")


class Stopped(Kind):
    """SIGSTOP, and SIGCONT some seconds later."""

    name = "stop"
    weight = 20
    seconds = (1.0, 9.0)
    targets = (*ON_HOSTS, *ON_SERVER)
    explains = (("supervisor", CLOSED),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        pids = find(ground, fault.target)
        if not pids:
            return None
        send(pids, signal.SIGSTOP)
        return Done(f"process {pids[0]}", lambda: send(pids, signal.SIGCONT))


class Ended(Kind):
    """SIGTERM; PostgreSQL gets the SIGINT by which it does not wait for its clients."""

    name = "term"
    weight = 15
    targets = (*ON_HOSTS, *ON_SERVER)
    explains = (("bench", STOPPED), ("supervisor", STOPPED), ("supervisor", CLOSED))

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        pids = find(ground, fault.target)
        if not pids:
            return None
        is_postgres = fault.target.part == "postgres"
        send(pids[:1], signal.SIGINT if is_postgres else signal.SIGTERM)
        return Done(f"process {pids[0]}")


class AllKilled(Kind):
    """kill -9 of bench and workers of a host at the same moment."""

    name = "kill all"
    weight = 10
    targets = tuple(Target(host, "bench and workers") for host in HOSTS)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = ground.hosts[fault.target.host]
        pids = [pid for part in ("bench", *WORKERS) if (pid := host.part(part))]
        if len(pids) < 1 + len(WORKERS):
            return None
        send(pids, signal.SIGKILL)
        return Done(f"processes {' '.join(map(str, pids))}")
