"""Physical cores of this host: which there are, and which run owns which one.

A push deploy has a core to itself: a transfer that waits for a processor loses its device.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from labq.domain.plan import Queue

OWNING = Queue.FASTBOOT
"""The queue whose steps own a core each."""

Core = tuple[int, ...]
"""The logical CPUs of one physical core that this process may use."""

_CPUS = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> tuple[Core, ...]:
    """Return the cores that affinity allows, at most as many as the cgroup grants, at least one."""
    threads = sorted(os.sched_getaffinity(0))
    cores = group_threads(threads, {cpu: _siblings(cpu) for cpu in threads})
    return cores[: max(1, math.floor(cgroup_cpus(CGROUP)))]


def group_threads(usable: Iterable[int], siblings: Mapping[int, str]) -> tuple[Core, ...]:
    """Return the usable logical CPUs, those of one core together."""
    found: dict[str, list[int]] = {}
    for cpu in usable:
        found.setdefault(siblings[cpu], []).append(cpu)
    return tuple(tuple(threads) for threads in found.values())


def cgroup_cpus(folder: Path) -> float:
    """Return the CPUs that the cgroup grants (`cpu.max` of version 2, quota of version 1)."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = _version_1(folder / "cpu")
    if not quota.isdigit():
        return float(os.cpu_count() or 1)
    return int(quota) / int(period)


class Cores:
    """Who owns which core. A core comes back when its run has no use for it any more."""

    def __init__(self, cores: Iterable[Core]) -> None:
        self._cores = tuple(cores)
        self._owners: dict[int, Core] = {}

    def take(self, run: int, queue: Queue, needs: Callable[[int], bool]) -> bool:
        """Give a run the core that a step of the queue has to own; False when none is free.

        `needs` tells of an owner whether it still uses its core.
        """
        if queue is not OWNING:
            return True
        for owner in [owner for owner in self._owners if owner == run or not needs(owner)]:
            del self._owners[owner]
        owned = set(self._owners.values())
        core = next((core for core in self._cores if core not in owned), None)
        if core is not None:
            self._owners[run] = core
        return core is not None

    def of(self, run: int, queue: Queue) -> Core:
        """Return the core that a step of the run owns, none for a queue whose steps own none."""
        return self._owners.get(run, ()) if queue is OWNING else ()

    def claim(self, run: int, core: Core) -> None:
        """Note what a run owned before a restart."""
        if core:
            self._owners[run] = core


def _version_1(folder: Path) -> tuple[str, str]:
    try:
        quota = (folder / "cpu.cfs_quota_us").read_text().strip()
        return quota, (folder / "cpu.cfs_period_us").read_text().strip()
    except OSError:
        return "max", "1"


def _siblings(cpu: int) -> str:
    path = _CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)
