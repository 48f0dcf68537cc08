"""Slots: how many steps of each queue may run on this host at once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from labq.bench.limits import Own
from labq.config import Settings
from labq.domain.plan import Queue

_CPUS = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")


def own(settings: Settings) -> Own:
    """Return what this machine and its settings say about slots."""
    cores = physical_cores()
    given = {
        Queue.BOOT: settings.boot_slots,
        Queue.DEPLOY: settings.deploy_slots,
        Queue.DOWNLOAD: settings.download_slots,
    }
    return Own(
        cores=cores,
        preset=settings.preset,
        fixed={queue: number for queue, number in given.items() if number},
        fastboot=settings.fastboot_slots or cores,
    )


def usable_cpus() -> float:
    """Return how many logical CPUs this process may keep busy at once."""
    return min(float(len(os.sched_getaffinity(0))), cgroup_cpus(_CGROUP))


def physical_cores() -> int:
    """Return how many cores this process may use: affinity and cgroup count, hyperthreads do not."""
    threads = os.sched_getaffinity(0)
    cores = count_cores(threads, {cpu: _siblings(cpu) for cpu in threads})
    return max(1, min(cores, math.floor(cgroup_cpus(_CGROUP))))


def count_cores(usable: Iterable[int], siblings: Mapping[int, str]) -> int:
    """Return how many different cores the usable logical CPUs stand on."""
    return len({siblings[cpu] for cpu in usable})


def cgroup_cpus(folder: Path) -> float:
    """Return the CPUs that the cgroup grants (`cpu.max` of version 2, quota of version 1)."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = _version_1(folder / "cpu")
    if not quota.isdigit():
        return float(os.cpu_count() or 1)
    return int(quota) / int(period)


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
