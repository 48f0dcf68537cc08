"""Which file of a host a client may read: those of runs at work, and those of the lab's own folder."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

LONGEST_PATH = 900


class NoFileError(Exception):
    """There is no such file to be served."""


def open_file(path: str, runs: Path, own: Path | None) -> tuple[int, int]:
    """Return a descriptor and the size of the file that a client asks for.

    In `runs` each folder belongs to one device and has `<job>/tftp-deploy-<random>/<label>/<file>`;
    a client that does not know the random part reaches nothing of a run. What is not found there is
    looked for in `own`. Raises NoFileError.
    """
    parts = _parts(path)
    for folder in _folders(runs):
        with suppress(OSError):
            return _regular(_walk(folder, parts))
    if own is not None:
        with suppress(OSError):
            return _regular(_within(own, parts))
    raise NoFileError(f"{path[:200]!r} is not there")


def _parts(path: str) -> list[str]:
    """Return the names of a path below the root; boot loaders write it with or without a slash."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or len(path) > LONGEST_PATH or "\0" in path:
        raise NoFileError(f"{path[:200]!r} is no path of a file")
    return parts


def _folders(runs: Path) -> list[Path]:
    try:
        return [one for one in runs.iterdir() if one.is_dir()]
    except OSError:
        return []


def _walk(folder: Path, parts: list[str]) -> int:
    """Open a file below a folder in which no link is followed; raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            below = os.open(part, flags, dir_fd=handle)
            os.close(handle)
            handle = below
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    finally:
        os.close(handle)


def _within(folder: Path, parts: list[str]) -> int:
    """Open a file below the lab's own folder, whose links may lead to other places in it."""
    root = folder.resolve(strict=True)
    found = root.joinpath(*parts).resolve(strict=True)
    if not found.is_relative_to(root):
        raise FileNotFoundError(found)
    return os.open(found, os.O_RDONLY | os.O_NONBLOCK)


def _regular(handle: int) -> tuple[int, int]:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise FileNotFoundError
    return handle, facts.st_size
