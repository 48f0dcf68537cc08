"""Which process a supervisor runs under a name, kept on disk for the supervisor after it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from signal import Signals

from labq.benchlink.child import start_time
from labq.domain.deadline import Deadline
from labq.hw.boot import boot_id

POLL_SECONDS = 0.02


def note(path: Path, pid: int) -> None:
    """Keep the id of a process that was just started."""
    draft = path.with_suffix(".pid.new")
    with suppress(OSError):
        # A full disk costs the note, not the process.
        draft.write_text(f"{pid} {start_time(pid)} {boot_id()}\n")
        draft.replace(path)


def read(path: Path) -> int | None:
    """Return the process if it still runs."""
    try:
        pid, start, boot = path.read_text().split()
    except (OSError, ValueError):
        return None
    if boot != boot_id() or not pid.isdigit() or str(start_time(int(pid))) != start:
        return None
    return int(pid)


def end(path: Path, politely: Signals, seconds: float) -> bool:
    """End the process if it still runs; tell whether there was one.

    It was asked by the kernel when its supervisor was killed; one that was stopped has not heard.
    """
    pid = read(path)
    if pid is None:
        return False
    deadline = Deadline.after(seconds)
    _signal(pid, politely)
    _signal(pid, Signals.SIGCONT)
    while read(path) is not None and not deadline.is_over():
        time.sleep(POLL_SECONDS)
    if read(path) is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, Signals.SIGKILL)
        killed = Deadline.after(seconds)
        while read(path) is not None and not killed.is_over():
            time.sleep(POLL_SECONDS)
    return True


def _signal(pid: int, number: Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
