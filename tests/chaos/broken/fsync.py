"""Without waiting for the disk: what is answered and shipped may not be there yet."""

from __future__ import annotations

import os


def take_away() -> None:
    """Let syncs do nothing, and so note nothing."""
    os.fsync = os.fdatasync = _pass


def _pass(file: int) -> None:
    del file
