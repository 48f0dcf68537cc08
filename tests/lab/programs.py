"""Servers as programs: started, waited for, ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(argv: tuple[str, ...], folder: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
    """Run a server until the block is left; its output is in a log beside its folder."""
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        limit = time.monotonic() + 60
        while not is_ready():
            assert process.poll() is None, Path(log.name).read_text(errors="replace")
            assert time.monotonic() < limit, Path(log.name).read_text(errors="replace")
            time.sleep(0.02)
        yield
    finally:
        process.send_signal(2)
        process.wait(30)
