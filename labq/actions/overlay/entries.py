"""The files of an overlay, as values: what the archives are written from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDER_MODE = 0o755
SCRIPT_MODE = 0o755
FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder (`source` None) or symbolic link (`link`) below the root `/`.

    `source` is the content or the file on the host that has it.
    """

    path: str
    mode: int
    source: bytes | Path | None = None
    link: str = ""

    @property
    def size(self) -> int:
        """Return the bytes of the content."""
        if isinstance(self.source, Path):
            return self.source.stat().st_size
        return len(self.source or b"")


def text(path: str, content: str, mode: int = FILE_MODE) -> Entry:
    """Return a file with this text."""
    return Entry(path, mode, content.encode())


def folders(path: str) -> Iterator[Entry]:
    """Yield the folder and those above it, the highest first."""
    parents = [parent for parent in PurePosixPath(path).parents if parent.name]
    for parent in reversed(parents):
        yield Entry(str(parent), FOLDER_MODE)
    yield Entry(path, FOLDER_MODE)


def tree(folder: Path, path: str) -> Iterator[Entry]:
    """Yield everything below `folder` on the host as entries below `path`, without the folder.

    Links are kept as they are, never followed; sockets, devices and the like are left out.
    """
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        inner = f"{path}/{item.name}"
        mode = item.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            yield Entry(inner, 0o777, link=str(Path(item.path).readlink()))
        elif stat.S_ISDIR(mode):
            yield Entry(inner, FOLDER_MODE)
            yield from tree(Path(item.path), inner)
        elif stat.S_ISREG(mode):
            yield Entry(inner, stat.S_IMODE(mode), Path(item.path))


def without_doubles(entries: list[Entry]) -> list[Entry]:
    """Return the entries with the last of each path, in the order of the first."""
    return list({entry.path: entry for entry in entries}.values())
