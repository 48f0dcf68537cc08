"""What kind of machine this is, for the warnings about hosts."""

from __future__ import annotations

import hashlib
from pathlib import Path

from labq.hw.boot import boot_id

PROC = Path("/proc")
DMI = Path("/sys/class/dmi/id")
_HYPERVISORS = ("qemu", "kvm", "vmware", "virtualbox", "innotek", "xen", "amazon ec2", "google")


def machine_digest() -> str:
    """Return what is the same for all that runs under one kernel, containers too."""
    return hashlib.sha256(boot_id().encode()).hexdigest()[:16]


def is_virtual(*, proc: Path = PROC, dmi: Path = DMI) -> bool:
    """Tell whether this is a virtual machine: the processor or the firmware says so."""
    flags = next(
        (line for line in _text(proc / "cpuinfo").splitlines() if line.startswith("flags")), ""
    )
    vendor = (_text(dmi / "sys_vendor") + _text(dmi / "product_name")).lower()
    return "hypervisor" in flags.split() or any(name in vendor for name in _HYPERVISORS)


def has_pressure(*, proc: Path = PROC) -> bool:
    """Tell whether the kernel says how long tasks wait for CPU, disk and memory."""
    return "total=" in _text(proc / "pressure" / "cpu")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
