"""The machine that figures were measured on, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import Figure


def describe() -> dict[str, object]:
    """Return CPU model, cores, memory, kernel and Python of this machine."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mib": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def folder() -> Path:
    """Return where figures are kept: a folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "labq" / "benchmarks"


def keep(figures: Iterable[Figure]) -> Path:
    """Write the figures with machine and date into the folder and return the file."""
    folder().mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder() / f"{now:%Y%m%dT%H%M%SZ}.json"
    record = {
        "date": now.isoformat(timespec="seconds"),
        "machine": describe(),
        "figures": [asdict(figure) for figure in figures],
    }
    path.write_text(json.dumps(record, indent=1))
    return path
