"""The campaign's hands in the processes of labq, which knows nothing of them.

The environment says what is done, in every interpreter that `site/sitecustomize.py` is read by:
CHAOS_SYNCS (a folder: note there what is synced), CHAOS_BOOT (a file: the name of the machine's
present boot), CHAOS_BREAK (the safeguard to take away).
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from tests.chaos.syncs import Notes


def lay_on() -> None:
    """Change this process."""
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = _sleep
    if folder := os.environ.get("CHAOS_SYNCS"):
        Notes(Path(folder)).track()
    if file := os.environ.get("CHAOS_BOOT"):
        _boot_by(Path(file))
    if name := os.environ.get("CHAOS_BREAK"):
        from tests.chaos import broken  # noqa: PLC0415 - costs the import of what it changes

        broken.take_away(name)


def _boot_by(file: Path) -> None:
    from labq.actions.steps import http  # noqa: PLC0415 - not in processes of the server
    from labq.bench import claim  # noqa: PLC0415
    from labq.hw import boot  # noqa: PLC0415

    boot._BOOT_ID = claim.BOOT_ID = file
    http._boot_id = boot.boot_id


def _sleep(seconds: float) -> None:
    """Sleep past libfaketime, whose clock_nanosleep knows no monotonic clock (EINVAL)."""
    select.select([], [], [], seconds)
