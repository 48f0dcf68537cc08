"""One lab host of the campaign: its processes, its folders, and how it loses its power."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labq.domain.deadline import monotonic
from tests.chaos import clock
from tests.chaos.syncs import Notes
from tests.chaos.unit import Unit
from tests.lab.processes import snapshot, tree

DEAD_SECONDS = 10.0
LONGEST_NAME = 15


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host: `home` marks its processes, `folder` is what the bench keeps."""

    name: str
    unit: Unit
    home: Path
    folder: Path
    notes: Notes
    environment: Mapping[str, str]

    def part(self, name: str) -> int | None:
        """Return the process of a part, None while there is none."""
        root = self.unit.pid
        if root is None or name == "supervisor":
            return root
        return part_below(root, name)

    def parts(self) -> list[int]:
        """Return the processes that labq itself has on this host."""
        root = self.unit.pid
        if root is None:
            return []
        return [item.pid for item in tree(root) if item.pid == root or item.name[:5] == "labq:"]

    def everything(self) -> list[int]:
        """Return all processes of the host, whoever their parent is."""
        return [pid for pid in snapshot() if _has(pid, f"HOME={self.home}")]

    def boot(self) -> None:
        """Give the machine's next start another name."""
        (self.home / "boot_id").write_text(f"{uuid.uuid4()}\n")

    def set_clock(self, seconds: int) -> None:
        """Set the clock of all its processes so many seconds off the right time."""
        clock.set_to(self.home / "clock", seconds)

    def cut_power(self, seconds: float) -> int:
        """End everything at once, forget what is not on disk; come back after some seconds.

        Returns how many bytes were lost.
        """
        self.unit.hold_down(seconds + DEAD_SECONDS)
        limit = monotonic() + DEAD_SECONDS
        # Nobody is to see the others end one by one: without power all are gone at once.
        _kill(self.parts())
        while (left := self.everything()) and monotonic() < limit:
            _kill(left)
        lost = self.notes.cut_power(self.folder)
        self.boot()
        self.unit.hold_down(seconds)
        return lost


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def part_below(root: int, name: str) -> int | None:
    """Return the process that a supervisor calls by a name, None while there is none."""
    wanted = f"labq:{name}"[:LONGEST_NAME]
    return min((item.pid for item in tree(root) if item.name == wanted), default=None)


def _has(pid: int, setting: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return setting.encode() in environment.split(b"\0")
