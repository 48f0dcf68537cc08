"""Kernel modules from a tar archive as entries to append to a ramdisk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labq.actions.overlay.entries import Entry, tree
from labq.actions.steps.unpack import unpack_tar
from labq.config import load


def modules_entries(archive: Path) -> list[Entry]:
    """Unpack the archive beside itself and return its content as entries.

    The folder `lib` itself is left out: where it is a link to `usr/lib`, an entry would replace
    the link.
    """
    folder = archive.parent / "unpacked"
    unpack_tar(archive, folder, limit=load().cache_bytes)
    return list(_entries(folder))


def _entries(folder: Path) -> Iterator[Entry]:
    for entry in tree(folder, ""):
        if entry.path not in ("/lib", "/usr", "/usr/lib"):
            yield entry
