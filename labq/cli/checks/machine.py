"""What the machine has: cores, memory, disks, virtualisation."""

from __future__ import annotations

import fcntl
import locale
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from labq import config
from labq.cli.checks.finding import Finding, State
from labq.supervisor.programs import cache_folder

GIB = 1024**3
LEAST_DISK = 5 * GIB
LEAST_MEMORY = GIB
LEAST_SHARED = 64 * 1024**2
KVM_CREATE_VM = 0xAE01  # Linux: include/uapi/linux/kvm.h


def cores() -> Iterator[Finding]:
    """Count cores as slots do."""
    usable = len(os.sched_getaffinity(0))
    physical = {
        path.read_text().strip()
        for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    }
    quota = _cpu_quota()
    found = f"{len(physical) or usable} physical, {usable} usable"
    limit = "" if quota is None else f", limited to {quota:g} by the cgroup"
    if usable < 2 or (quota is not None and quota < 2):
        advice = "push deploys (fastboot) take one physical core each: run few devices here"
        yield Finding("cores", State.WEAK, found + limit, advice)
    else:
        yield Finding("cores", State.GOOD, found + limit)


def memory() -> Iterator[Finding]:
    """Look at the memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = f"{total / GIB:.1f} GiB"
    if total < LEAST_MEMORY:
        yield Finding("memory", State.WEAK, found, "the server alone takes a third of a GiB")
    else:
        yield Finding("memory", State.GOOD, found)


def disks() -> Iterator[Finding]:
    """Look at the folders that fill up."""
    for name, folder in (("state folder", config.load().state), ("cache folder", cache_folder())):
        place = _existing(folder)
        free = shutil.disk_usage(place).free
        found = f"{folder}: {free / GIB:.1f} GiB free"
        if not os.access(place, os.W_OK):
            yield Finding(
                name, State.MISSING, f"{folder}: not writable", f"own {place}, or set LABQ_STATE"
            )
        elif free < LEAST_DISK:
            yield Finding(
                name, State.WEAK, found, f"images and logs want {LEAST_DISK / GIB:.0f} GiB"
            )
        else:
            yield Finding(name, State.GOOD, found)


def shared_memory() -> Iterator[Finding]:
    """Look at the room that emulators and browsers share memory in."""
    try:
        free = shutil.disk_usage("/dev/shm").free  # noqa: S108 - looked at, nothing is written
    except OSError:
        yield Finding("shared memory", State.WEAK, "no /dev/shm", "mount a tmpfs there")
        return
    found = f"{free / 2**20:.0f} MiB free in /dev/shm"
    if free < LEAST_SHARED:
        advice = "mount it larger; of a container: --shm-size=256m"
        yield Finding("shared memory", State.WEAK, found, advice)
    else:
        yield Finding("shared memory", State.GOOD, found)


def text() -> Iterator[Finding]:
    """See whether programs take text as UTF-8."""
    name = locale.getencoding()
    if name.upper().replace("-", "") == "UTF8":
        yield Finding("locale", State.GOOD, f"text is {name}")
    else:
        yield Finding("locale", State.WEAK, f"text is {name}", "set LC_ALL=C.UTF-8")


def kvm() -> Iterator[Finding]:
    """Try whether a virtual machine can be made."""
    try:
        with open("/dev/kvm", "r+b", buffering=0) as device:  # noqa: PTH123 - a device, no file
            os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except FileNotFoundError:
        yield Finding("KVM", State.WEAK, "no /dev/kvm: virtual devices are emulated, slowly")
    except PermissionError:
        yield Finding("KVM", State.WEAK, "/dev/kvm is not yours", "join the group kvm")
    except OSError as error:
        yield Finding("KVM", State.WEAK, f"/dev/kvm makes no machine: {error.strerror}")
    else:
        yield Finding("KVM", State.GOOD, "a virtual machine could be made")


def _cpu_quota() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
