"""What a supervisor that was killed left behind: found by a mark in the environment, and ended.

Everything that is started below a host's supervisor carries `LABQ_LIFE=<folder>|<pid>|<start>`,
also what left its group and session, and what no record was written of yet.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from labq.benchlink.child import start_time
from labq.domain.deadline import Deadline
from labq.hw.process import LIFE

PROC = Path("/proc")
END_SECONDS = 5.0
POLL_SECONDS = 0.02


def begin_life(folder: Path) -> str:
    """Mark what this process starts from now on, and return the mark."""
    mark = f"{_prefix(folder)}{os.getpid()}|{start_time(os.getpid())}"
    os.environ[LIFE] = mark
    return mark


def end_strangers(folder: Path, own: str) -> list[int]:
    """Kill what other lives of this folder left; return what could not be ended in time."""
    prefix = _prefix(folder)
    return _end(lambda mark: mark.startswith(prefix) and mark != own)


def end_life(mark: str) -> list[int]:
    """Kill everything that carries a mark; return what could not be ended in time."""
    return _end(lambda found: found == mark)


def watch(supervisor: str, mark: str) -> int:
    """Wait until a supervisor has ended, then kill everything of its life.

    This is a process of its own, so that nothing outlives a supervisor that is killed: no emulator,
    no connection command, nothing they started.
    """
    _wait_for_end(int(supervisor), int(mark.rpartition("|")[2]))
    if left := end_life(mark):
        print(f"processes that cannot be killed: {left}", file=sys.stderr)  # noqa: T201 - for the log
    return 0


def _prefix(folder: Path) -> str:
    return f"{folder.resolve()}|"


def _wait_for_end(pid: int, start: int) -> None:
    try:
        file = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(file, "rb", buffering=0):
        if start_time(pid) == start:
            select.select([file], [], [])


def _end(is_meant: Callable[[str], bool]) -> list[int]:
    """Kill until nothing is found: what was found may have started something in the meantime."""
    deadline = Deadline.after(END_SECONDS)
    while left := [pid for pid, mark in _marked() if is_meant(mark) and pid != os.getpid()]:
        if deadline.is_over():
            return left
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return []


def _marked() -> Iterator[tuple[int, str]]:
    """Yield the processes that carry a mark and may be looked at by this user."""
    name = f"{LIFE}=".encode()
    for entry in os.scandir(PROC):
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            for word in Path(entry.path, "environ").read_bytes().split(b"\0"):
                if word.startswith(name):
                    yield int(entry.name), os.fsdecode(word[len(name) :])
