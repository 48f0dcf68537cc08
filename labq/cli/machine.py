"""Looks at the machine for `labq doctor`; changes nothing."""

from __future__ import annotations

import fcntl
import grp
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from labq import config
from labq.domain.errors import ConfigurationError
from labq.supervisor.programs import cache_folder, find_postgres, find_redis

GIB = 1024**3
LEAST_DISK = 5 * GIB
LEAST_MEMORY = GIB
KVM_CREATE_VM = 0xAE01  # Linux: include/uapi/linux/kvm.h
OPTIONAL_PROGRAMS = (
    ("qemu-system-x86_64", "virtual x86 devices", "deploy/system-programs qemu-x86"),
    ("qemu-system-aarch64", "virtual arm64 devices and U-Boot", "deploy/system-programs qemu-arm"),
    ("linux.uml", "user-mode Linux devices", "deploy/system-programs uml"),
    ("git", "test definitions from git", "deploy/system-programs git"),
)


class State(StrEnum):
    """How bad a finding is: WEAK stops some kinds of work, MISSING stops labq."""

    GOOD = "good"
    WEAK = "weak"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and what to do about it."""

    name: str
    state: State
    found: str
    advice: str = ""


def inspect() -> list[Finding]:
    """Return everything that was looked at, in the order to read it."""
    return [
        _server("PostgreSQL", find_postgres),
        _server("Redis", find_redis),
        *_programs(),
        _cores(),
        _memory(),
        *_disks(),
        _kvm(),
        *_serial(),
        *_usb(),
    ]


def _server(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return Finding(name, State.GOOD, str(find()))
    except ConfigurationError as error:
        settings = config.load()
        url = settings.database_url if name == "PostgreSQL" else settings.redis_url
        if url:
            return Finding(name, State.GOOD, "not on this machine; the settings name another one")
        return Finding(name, State.MISSING, "not found", str(error))


def _programs() -> Iterator[Finding]:
    cache = cache_folder() / "system" / "bin"
    for name, purpose, command in OPTIONAL_PROGRAMS:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{cache}")
        if found:
            yield Finding(name, State.GOOD, found)
        else:
            yield Finding(name, State.WEAK, f"not found: no {purpose}", f"run `{command}`")


def _cores() -> Finding:
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
        return Finding("cores", State.WEAK, found + limit, advice)
    return Finding("cores", State.GOOD, found + limit)


def _cpu_quota() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = f"{total / GIB:.1f} GiB"
    if total < LEAST_MEMORY:
        return Finding("memory", State.WEAK, found, "the server alone takes a third of a GiB")
    return Finding("memory", State.GOOD, found)


def _disks() -> Iterator[Finding]:
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


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _kvm() -> Finding:
    try:
        with open("/dev/kvm", "r+b", buffering=0) as device:  # noqa: PTH123 - a device, no file
            os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except FileNotFoundError:
        return Finding("KVM", State.WEAK, "no /dev/kvm: virtual devices are emulated, slowly")
    except PermissionError:
        return Finding("KVM", State.WEAK, "/dev/kvm is not yours", "join the group kvm")
    except OSError as error:
        return Finding("KVM", State.WEAK, f"/dev/kvm makes no machine: {error.strerror}")
    return Finding("KVM", State.GOOD, "a virtual machine could be made")


def _serial() -> Iterator[Finding]:
    ports = [path for kind in ("ttyUSB*", "ttyACM*") for path in Path("/dev").glob(kind)]
    closed = [str(path) for path in ports if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        group = _group_of(Path(closed[0]))
        yield Finding("serial ports", State.WEAK, f"closed: {' '.join(closed)}", f"join {group}")
    else:
        yield Finding("serial ports", State.GOOD, f"{len(ports)} found, all open to you")


def _usb() -> Iterator[Finding]:
    nodes = list(Path("/dev/bus/usb").glob("*/*"))
    closed = [path for path in nodes if not os.access(path, os.W_OK)]
    if closed:
        advice = "give the boards' USB ids to your group by a udev rule, or fastboot needs root"
        yield Finding("USB rights", State.WEAK, f"{len(closed)} of {len(nodes)} closed", advice)
    else:
        yield Finding("USB rights", State.GOOD, f"{len(nodes)} devices, all open to you")


def _group_of(path: Path) -> str:
    try:
        return f"the group {grp.getgrgid(path.stat().st_gid).gr_name}"
    except (KeyError, OSError):
        return "the group that owns it"
