"""Children that touch a device, and the device's lock files that name them (gate, rule 8)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path

from labq.bench.memory import offer_to_oom
from labq.benchlink.child import start_time

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class DeviceLock:
    """The locks of one run's resources. The kernel drops them with the bench, the file stays."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._paths = [folder / _UNSAFE.sub("_", name) for name in sorted(set(names))]
        self._files: list[int] = []

    @property
    def is_held(self) -> bool:
        """Tell whether this run has the locks."""
        return bool(self._files)

    def take(self) -> bool:
        """Take all locks or none; return whether they are held."""
        if self._files:
            return True
        for path in self._paths:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._files.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
        return True

    def write(self, content: dict[str, object]) -> None:
        """Write who touches the device."""
        text = json.dumps(content).encode()
        for file in self._files:
            os.pwrite(file, text, 0)
            os.ftruncate(file, len(text))

    def read(self) -> dict[str, object]:
        """Return what the first lock file says, nothing when it says nothing."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            value = json.loads(self._paths[0].read_bytes())
            if isinstance(value, dict):
                return value
        return {}

    def release(self) -> None:
        """Let the locks go."""
        for file in self._files:
            os.close(file)
        self._files = []


class Children:
    """The children of one run, by process id with their start time."""

    def __init__(self, run: int, lock: DeviceLock) -> None:
        self._run = run
        self._lock = lock
        self._alive: dict[int, int] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the leaders of the children that are known; each has a session of its own."""
        return tuple(self._alive)

    def recover(self) -> None:
        """Take over what the lock file names, also of a run before this one."""
        content = self._lock.read()
        listed = content.get("children")
        for item in listed if isinstance(listed, list) else []:
            self._alive[int(item["pid"])] = int(item["start"])

    def add(self, pid: int, start: int, epoch: int) -> None:
        """Register a child before it may go."""
        self._alive[pid] = start
        offer_to_oom(pid)
        self._write(epoch)

    def remove(self, pid: int, epoch: int) -> None:
        """Forget a child that is over."""
        self._alive.pop(pid, None)
        self._note_gone(epoch)

    def kill(self) -> None:
        """Kill the groups of all children."""
        for pid, start in self._alive.items():
            # A leader that is gone keeps its group's number from being used again.
            if start_time(pid) in (0, start):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    def are_gone(self, epoch: int) -> bool:
        """Tell whether no process of the groups is left; what is gone is forgotten."""
        if not self._alive:
            return True
        groups = living_groups()
        gone = [
            pid
            for pid, start in self._alive.items()
            if pid not in groups or start_time(pid) not in (0, start)
        ]
        for pid in gone:
            del self._alive[pid]
        if gone:
            self._note_gone(epoch)
        return not self._alive

    def _note_gone(self, epoch: int) -> None:
        # A name too many in the file does no harm: its start time tells that it is gone.
        with contextlib.suppress(OSError):
            self._write(epoch)

    def _write(self, epoch: int) -> None:
        children = [{"pid": pid, "pgid": pid, "start": start} for pid, start in self._alive.items()]
        self._lock.write({"run": self._run, "epoch": epoch, "children": children})


def living_groups() -> set[int]:
    """Return the process groups with a member that is no zombie."""
    groups = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                groups.add(int(fields[2]))
    return groups
