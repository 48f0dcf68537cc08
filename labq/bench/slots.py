"""Slots: how many steps of each queue may run on this host at once."""

from __future__ import annotations

import os

from labq.bench.cores import CGROUP, cgroup_cpus, usable_cores
from labq.bench.limits import Own
from labq.config import Settings
from labq.domain.plan import Queue


def own(settings: Settings) -> Own:
    """Return what this machine and its settings say about slots.

    A push deploy owns a core: the setting can only lower their number.
    """
    cores = len(usable_cores())
    given = {
        Queue.BOOT: settings.boot_slots,
        Queue.DEPLOY: settings.deploy_slots,
        Queue.DOWNLOAD: settings.download_slots,
    }
    return Own(
        cores=cores,
        preset=settings.preset,
        fixed={queue: number for queue, number in given.items() if number},
        fastboot=min(settings.fastboot_slots or cores, cores),
    )


def usable_cpus() -> float:
    """Return how many logical CPUs this process may keep busy at once."""
    return min(float(len(os.sched_getaffinity(0))), cgroup_cpus(CGROUP))
