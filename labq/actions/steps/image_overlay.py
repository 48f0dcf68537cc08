"""Writes overlays into an image: the tests of the job, and files and archives of its own."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from labq.actions.overlay.archive import append_tar
from labq.actions.overlay.entries import FILE_MODE, Entry, folders, tree
from labq.actions.parameters import Artifact, Overlay
from labq.actions.steps.bring import with_overlay
from labq.actions.steps.download import Download
from labq.actions.steps.ext_image import apply_overlay
from labq.actions.steps.modules import modules_entries
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work
from labq.config import load
from labq.domain.errors import JobError

_LAVA = "lava"
_BETWEEN = "/overlays/"


def wanted(label: str, image: Artifact, folder: Path) -> dict[str, Download]:
    """Return what is fetched to be written into an image, by labels of its own."""
    return {
        _label(label, name): Download(artifact=one, folder=folder / f"{label}.overlays" / name)
        for name, one in image.overlays.items()
        if name != _LAVA
    }


def overlaid(
    work: Work,
    labelled: tuple[str, Artifact],
    paths: Mapping[str, Path],
    tests: Sequence[Entry],
) -> Path:
    """Return the image with its overlays in it, in the order of the job; `tests` may be none.

    Archives and ramdisks are copied, file systems are written into.
    """
    label, image = labelled
    path, entries = paths[label], list[Entry]()
    for name, one in image.overlays.items():
        entries += tests if name == _LAVA else _entries(one, paths[_label(label, name)])
    if not entries:
        return path
    match image.format:
        case "cpio.newc":
            return with_overlay(work, entries, path)
        case "tar":
            return _with_members(work, entries, path)
        case _:
            sparse, partition = image.sparse, image.partition
            return apply_overlay(work, entries, path, is_sparse=sparse, partition=partition)


def is_overlay(label: str) -> bool:
    """Return whether a label is one of what is written into an image."""
    return _BETWEEN in label


def _label(label: str, name: str) -> str:
    return f"{label}{_BETWEEN}{name}"


def _entries(overlay: Overlay, path: Path) -> Iterator[Entry]:
    """Yield what an overlay of the job brings: its `path` is a file's name or an archive's root."""
    root = str(PurePosixPath("/", overlay.path))
    if overlay.format == "file":
        yield from folders(str(PurePosixPath(root).parent))
        yield Entry(root, FILE_MODE, path)
    elif root == "/":
        yield from modules_entries(path)
    else:
        folder = path.parent / "unpacked"
        unpack_tar(path, folder, limit=load().cache_bytes)
        yield from folders(root)
        yield from tree(folder, root)


def _with_members(work: Work, entries: Sequence[Entry], archive: Path) -> Path:
    with work.action("apply-overlay-tar", case=True):
        copy = archive.parent / "with-overlay" / archive.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, copy)
        try:
            append_tar(entries, copy)
        except tarfile.TarError as error:
            text = f"{archive.name} is no tar archive that can be added to: {error}"
            raise JobError(f"{text}; a compressed one needs its `compression`") from error
        return copy
