"""A device's TFTP folder on the host: `<host folder>/tftp/<device>`, `{TFTP_DIR}` in commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from labq.config import load

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def tftp_folder(device: str) -> Path:
    """Return the folder that the device's TFTP server serves."""
    return load().bench_folder / "tftp" / _UNSAFE.sub("_", device)


def clean(device: str) -> None:
    """Remove what earlier runs left there; the folder itself stays, a server may hold it."""
    folder = tftp_folder(device)
    if folder.is_dir():
        for item in folder.iterdir():
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
