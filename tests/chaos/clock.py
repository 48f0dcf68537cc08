"""Clocks that can be set: libfaketime in every process of a host, which reads a file each second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.supervisor.programs import cache_folder

SHARED = Path("/dev/shm")
PLACES = ("/usr/lib", str(cache_folder() / "system" / "root" / "usr" / "lib"))


def environment(file: Path) -> Mapping[str, str]:
    """Return what makes a process look at the file for its time; nothing without libfaketime."""
    library = _library()
    if library is None:
        return {}
    set_to(file, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
    }


def set_to(file: Path, seconds: int) -> None:
    """Set the clock so many seconds off the right time."""
    draft = file.with_suffix(".new")
    draft.write_text(f"{seconds:+}\n")
    draft.replace(file)


def forget(pid: int) -> None:
    """Remove what libfaketime leaves behind of a process that was killed."""
    for path in (SHARED / f"faketime_shm_{pid}", SHARED / f"sem.faketime_sem_{pid}"):
        path.unlink(missing_ok=True)


def _library() -> Path | None:
    found = (path for place in PLACES for path in Path(place).glob("*/faketime/libfaketimeMT.so.1"))
    return next(found, None)
