"""Emulators and programs of steps give way to others on this machine, as the preset wants it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from labq.hw.process import Process, Spawner

# Each is a session of its own: where the kernel groups sessions, that group has a nice value too.
_SCRIPT = '{ echo "$0" >/proc/self/autogroup; } 2>/dev/null; exec nice -n "$0" "$@"'


@dataclass(frozen=True, slots=True)
class NiceSpawner(Spawner):
    """Starts processes at the nice value of the moment."""

    spawner: Spawner
    nice: Callable[[], int]

    @override
    def spawn(self, key: str, process: Process) -> int | None:
        nice = self.nice()
        # The keeper tells of a program that is not there: the shell would not.
        if nice and shutil.which(process.argv[0], path=process.environment.get("PATH")):
            argv = ("/bin/sh", "-c", _SCRIPT, str(nice), *process.argv)
            process = replace(process, argv=argv)
        return self.spawner.spawn(key, process)


def lower(pid: int, nice: int) -> None:
    """Give a process and its session this nice value; one that is gone or lower stays as it is."""
    if nice:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, nice)
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(nice))
