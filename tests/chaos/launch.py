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

from tests.chaos import broken
from tests.chaos.syncs import Notes


def main() -> None:
    """Patch and run."""
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = _sleep
    if noted := os.environ.get("CHAOS_SYNCS"):
        Notes(Path(noted)).track()
    if name := os.environ.get("CHAOS_BREAK"):
        broken.take_away(name)
    from labq.cli import main as labq  # noqa: PLC0415 - after what it imports was changed

    sys.argv[0] = "labq"
    labq()


def _sleep(seconds: float) -> None:
    """Sleep past libfaketime, whose clock_nanosleep knows no monotonic clock (EINVAL)."""
    select.select([], [], [], seconds)


main()
