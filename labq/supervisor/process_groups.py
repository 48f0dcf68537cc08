"""Process groups: killed, and gone before anybody goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from labq.bench.children import living_groups
from labq.benchlink.child import start_time
from labq.domain.deadline import Deadline
from labq.hw.boot import boot_id

GROUP_SECONDS = 1.0
POLL_SECONDS = 0.002


def end_group(process: subprocess.Popen[bytes]) -> int:
    """Kill a process with its group, and return its code once none of them is there any more.

    What the leader leaves behind still touches the device: the next one would meet it.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    deadline = Deadline.after(GROUP_SECONDS)
    while _is_left(process.pid) and not deadline.is_over():
        time.sleep(POLL_SECONDS)
    return code


def _is_left(group: int) -> bool:
    """Tell whether a process group has a member that is no zombie; the usual case costs nothing."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return group in living_groups()


def kill_left_over(path: Path) -> None:
    """Kill the groups that a keeper killed before this one left behind."""
    try:
        record = json.loads(path.read_text())
        left = record["running"] if record["boot"] == boot_id() else []
    except (OSError, ValueError, LookupError, TypeError):
        return
    for item in left:
        # A leader that is gone keeps its group's number from being used again.
        if start_time(int(item["pid"])) in (0, int(item["start"])):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(item["pid"]), signal.SIGKILL)
