"""The machine that figures were measured on, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


def keep(figures: Iterable[Figure], loop_ms: float) -> Path:
    """Write the figures with machine, date and the time of the fixed loop; return the file."""
    folder().mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = folder() / f"{now:%Y%m%dT%H%M%SZ}.json"
    record = {
        "date": now.isoformat(timespec="seconds"),
        "machine": describe(),
        "calibration_ms": loop_ms,
        "figures": [asdict(figure) for figure in figures],
    }
    path.write_text(json.dumps(record, indent=1))
    return path


def records() -> Iterator[dict[str, Any]]:
    """Yield what was kept, the oldest first."""
    for path in sorted(folder().glob("*.json")):
        record: dict[str, Any] = json.loads(path.read_text())
        yield record


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether times of two machines may be compared: the processor, its cores, the Python."""
    return all(one.get(name) == other.get(name) for name in ("cpu", "cores", "python"))
