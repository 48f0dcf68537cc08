"""The processes of a running labq by the names its supervisors give them (`labq:<part>`)."""

from __future__ import annotations

from tests.lab.processes import Process, tree

PREFIX = "labq:"
HOST = "labq:host"
SERVERS = ("postgres", "redis-server", "valkey-server")


def find(root: int, part: str) -> int:
    """Return the process of a part; redis and postgres are parts too."""
    found = [process.pid for process in tree(root) if _is(process, part)]
    assert found, f"no process of {part}: {[process.name for process in tree(root)]}"
    return min(found)


def _is(process: Process, part: str) -> bool:
    names = {"redis": SERVERS[1:], "postgres": SERVERS[:1]}.get(part, (f"{PREFIX}{part}",))
    return process.name in names


def own(root: int) -> list[int]:
    """Return labq's processes with their children, without servers, emulators and devices."""
    everything = tree(root)
    left_out = [process.pid for process in everything if process.name in SERVERS]
    return [process.pid for process in tree(root, [*left_out, *devices(root)])]


def host(root: int) -> list[int]:
    """Return the processes of the lab host with their children, without emulators and devices."""
    return [process.pid for process in tree(find(root, "host"), devices(root))]


def devices(root: int) -> list[int]:
    """Return what the host's supervisor runs that is no part of labq: emulators, consoles."""
    everything = tree(root)
    hosts = {process.pid for process in everything if process.name == HOST}
    return [
        process.pid
        for process in everything
        if process.parent in hosts and not process.name.startswith(PREFIX)
    ]


def cpu_seconds(root: int) -> float:
    """Return the CPU time of everything labq started, without emulators and devices.

    The host's supervisor is the one that reaps devices: its children's time is left out.
    """
    return sum(
        process.own_seconds + (0 if process.name == HOST else process.children_seconds)
        for process in tree(root, devices(root))
    )
