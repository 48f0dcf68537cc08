"""One supervisor a host folder: a second one would take the first one's consoles away."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError

# One that was killed a moment ago still has to be taken down by the kernel.
PATIENCE_SECONDS = 3.0
POLL_SECONDS = 0.02


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the host folder if need be, and hold it.

    Raises ConfigurationError for a folder of another owner, InfrastructureError for one that cannot
    be used or is in use.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(folder)
        lock = os.open(folder / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = f"the host folder {folder} cannot be used: {error.strerror}"
        raise InfrastructureError(
            f"{reason}: own it, or name another one by LABQ_HOST_FOLDER"
        ) from error
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _check_owner(folder: Path) -> None:
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise ConfigurationError(
            f"the host folder {folder} belongs to user {owner}, you are {os.geteuid()}: "
            "run the host as its owner, or name another folder by LABQ_HOST_FOLDER"
        )


def _take(lock: int, folder: Path) -> None:
    deadline = Deadline.after(PATIENCE_SECONDS)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if deadline.is_over():
                holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
                raise InfrastructureError(
                    f"a supervisor serves the host folder {folder} already (process {holder})"
                ) from error
        time.sleep(POLL_SECONDS)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
