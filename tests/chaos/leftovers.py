"""What must not be left over: stream entries, queued messages, run folders, locks, processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import redis

from labq.domain.plan import Queue
from tests.chaos import fleet
from tests.chaos.fleet import Device
from tests.chaos.ground import Ground
from tests.lab.processes import snapshot

# A host that is idle still reports, and the last entry read marks the place.
MOST_UP, MOST_ORDERS = 3, 2


def in_streams(ground: Ground) -> Iterator[str]:
    """Yield what lies in Redis."""
    most = {".up": MOST_UP, ".orders": MOST_ORDERS, ".log": 0}
    with redis.Redis.from_url(ground.redis_url) as client:
        for host in ground.hosts:
            for name, limit in most.items():
                count = client.xlen(f"{host}{name}")
                if count > limit:
                    yield f"{count} entries are left in the stream {host}{name}"
            for queue in Queue:
                if count := client.llen(f"{host}.{queue}"):
                    yield f"{count} messages are left in the queue {host}.{queue}"


def on_hosts(ground: Ground) -> Iterator[str]:
    """Yield run folders and held locks of hosts."""
    held = fleet.held_locks()
    for host in ground.hosts.values():
        for path in (host.folder / "runs").iterdir():
            yield f"{path} is left"
        for path in (host.folder / "locks").iterdir():
            if path.stat().st_ino in held:
                yield f"the lock {path} is held"


def used_devices(ground: Ground) -> Iterator[Device]:
    """Yield devices that have a session or touch."""
    return fleet.used(ground.devices)


def of_processes(ground: Ground) -> Iterator[str]:
    """Yield the processes of the campaign that are left when all was stopped."""
    marker = str(ground.folder).encode()
    for process in snapshot().values():
        if process.pid != os.getpid() and _mentions(process.pid, marker):
            yield f"process {process.pid} is left: {process.name} {process.command[:200]}"


def _mentions(pid: int, marker: bytes) -> bool:
    try:
        return marker in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
