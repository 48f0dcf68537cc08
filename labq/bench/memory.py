"""How much memory is left on the host, and how much the processes of each session hold."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP) -> int:
    """Return what can still be had: of the machine, or of the cgroup where that has less."""
    lines = meminfo.read_text().splitlines()
    words = next(line.split() for line in lines if line.startswith("MemAvailable:"))
    left = int(words[1]) * 1024
    with suppress(OSError, ValueError):
        most = int((cgroup / "memory.max").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        used = int((cgroup / "memory.current").read_text()) - int(stat["inactive_file"])
        left = min(left, most - used)
    return left


def bytes_by_session() -> Counter[int]:
    """Return the resident bytes of each session's processes."""
    found: Counter[int] = Counter()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                found[int(fields[3])] += int(fields[21]) * PAGE
    return found


def offer_to_oom(pid: int) -> None:
    """Have the kernel end this process and its children before any of labq's when memory is gone."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")
