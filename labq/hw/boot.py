"""Which boot of the machine this is: process ids and monotonic times of another one mean nothing."""

from __future__ import annotations

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what names the present boot of this machine."""
    return _BOOT_ID.read_text().strip()
