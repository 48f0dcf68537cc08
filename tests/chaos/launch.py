"""Starts `labq WORDS` as its users do, after the campaign's own hands were laid on it.

`python -m tests.chaos.launch WORDS` with CHAOS_SYNCS (a folder: note there what is synced) and
CHAOS_BREAK (the safeguard to take away). The parts are forks of this process and inherit both.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

from labq.actions.steps import http
from labq.bench import claim
from labq.hw import boot
from tests.chaos import broken
from tests.chaos.syncs import Notes


def main() -> None:
    """Patch and run."""
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = _sleep
    if noted := os.environ.get("CHAOS_SYNCS"):
        Notes(Path(noted)).track()
    if file := os.environ.get("CHAOS_BOOT"):
        _boot_by(Path(file))
    if name := os.environ.get("CHAOS_BREAK"):
        broken.take_away(name)
    from labq.cli import main as labq  # noqa: PLC0415 - after what it imports was changed

    sys.argv[0] = "labq"
    labq()


def _boot_by(file: Path) -> None:
    """Take a file's words for the name of the machine's present boot."""
    boot._BOOT_ID = claim.BOOT_ID = file
    http._boot_id = boot.boot_id


def _sleep(seconds: float) -> None:
    """Sleep past libfaketime, whose clock_nanosleep knows no monotonic clock (EINVAL)."""
    select.select([], [], [], seconds)


main()
