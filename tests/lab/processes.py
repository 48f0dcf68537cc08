"""What the kernel says about processes: trees, memory shares, CPU time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment; `children_seconds` is CPU time of children that it has reaped."""

    pid: int
    parent: int
    name: str
    command: str
    own_seconds: float
    children_seconds: float


def snapshot() -> dict[int, Process]:
    """Return all processes by their id."""
    return {process.pid: process for process in _all()}


def _all() -> Iterator[Process]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield _read(entry)
            except OSError:
                continue


def _read(entry: Path) -> Process:
    stat = (entry / "stat").read_text(errors="replace")
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    user, system, children_user, children_system = (int(field) / TICKS for field in fields[11:15])
    return Process(
        pid=int(entry.name),
        parent=int(fields[1]),
        name=name,
        command=command.strip(),
        own_seconds=user + system,
        children_seconds=children_user + children_system,
    )


def tree(root: int, without: Iterable[int] = ()) -> list[Process]:
    """Return a process and all below it, leaving out the trees of `without`."""
    processes = snapshot()
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    left_out = set(without)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in left_out or pid not in processes:
            continue
        found.append(processes[pid])
        waiting += children.get(pid, [])
    return found


def proportional_bytes(pids: Iterable[int]) -> int:
    """Return the sum of the processes' proportional set sizes."""
    return sum(_proportional(pid) for pid in pids)


def _proportional(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
