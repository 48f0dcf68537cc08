"""Writes an overlay into an ext2, ext3 or ext4 image by debugfs: no root, no mount, no guest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from labq.actions.overlay.entries import Entry
from labq.actions.steps.partitions import offset_of
from labq.actions.steps.work import Work
from labq.config import load
from labq.domain.errors import InfrastructureError, JobError
from labq.hw import sparse

_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
# What debugfs says on its standard output are the commands themselves; complaints are on the other.
_QUIET = 'exec "$1" -w -f "$2" "$3" >/dev/null'
_HARMLESS = ("debugfs 1.", "mkdir: Ext2 directory already exists", "ext2fs_mkdir: Ext2 directory")
_NO_ROOM = "Could not allocate"
_NO_FILE_SYSTEM = "Filesystem not open"


def apply_overlay(
    work: Work,
    entries: Sequence[Entry],
    image: Path,
    *,
    is_sparse: bool,
    partition: int | None = None,
) -> Path:
    """Write the entries into the image's file system; returns the image to flash.

    With `partition`, counted from 0, the image is one of a disk.

    A sparse image is written out before. The result is a sparse one if that is asked for. Raises
    JobError for an image without such a file system, or without room.
    """
    action = "apply-overlay-sparse-image" if is_sparse else "apply-overlay-image"
    with work.action(action, case=True) as deadline:
        raw = _written_out(image)
        folder = image.parent / "overlay"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        script = folder / "commands"
        script.write_text("".join(f"{line}\n" for line in _commands(entries, folder)))
        place = str(raw) if partition is None else f"{raw}?offset={offset_of(raw, partition)}"
        argv = ("/bin/sh", "-c", _QUIET, "sh", _debugfs(), str(script), place)
        said = work.session.run(argv, deadline).output
        _judge(image, said)
        work.debug(f"wrote the overlay ({len(entries)} files) into {image.name}")
        return _packed(raw) if is_sparse else raw


def _debugfs() -> str:
    found = shutil.which("debugfs", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}")
    if found is None:
        raise InfrastructureError("debugfs not found on this host: install the package e2fsprogs")
    return found


def _written_out(image: Path) -> Path:
    if not sparse.is_sparse(image):
        return image
    raw = image.with_name(f"{image.name}.raw")
    try:
        sparse.to_raw(image, raw, most_bytes=load().cache_bytes)
    except sparse.SparseError as error:
        raise JobError(f"{image.name} is no sound sparse image: {error}") from error
    return raw


def _packed(raw: Path) -> Path:
    packed = raw.with_name(f"{raw.name}.sparse")
    sparse.to_sparse(raw, packed)
    return packed


def _commands(entries: Iterable[Entry], folder: Path) -> Iterator[str]:
    """Yield what debugfs has to do; contents that are not files yet are put into `folder`."""
    for number, entry in enumerate(entries):
        path = PurePosixPath("/", entry.path.lstrip("/"))
        if entry.link:
            yield f"symlink {_quoted(str(path))} {_quoted(entry.link)}"
        elif entry.source is None:
            yield f"mkdir {_quoted(str(path))}"
        else:
            source = folder / str(number)
            _write_source(entry, source)
            yield f"cd {_quoted(str(path.parent))}"
            yield f"write {_quoted(str(source))} {_quoted(path.name)}"


def _write_source(entry: Entry, path: Path) -> None:
    """Put a file's content and mode where debugfs takes both from."""
    if isinstance(entry.source, Path):
        shutil.copyfile(entry.source, path)
    else:
        path.write_bytes(entry.source or b"")
    path.chmod(entry.mode)


def _quoted(word: str) -> str:
    if "\n" in word:
        raise JobError(f"the file name {word!r} cannot be written into an image")
    return '"' + word.replace('"', '""') + '"'


def _judge(image: Path, said: str) -> None:
    complaints = [
        line.strip()
        for line in said.splitlines()
        if line.strip() and not line.startswith(_HARMLESS)
    ]
    text = "; ".join(complaints[:5])
    if _NO_FILE_SYSTEM in said:
        raise JobError(f"{image.name} holds no ext2, ext3 or ext4 file system: {text}")
    if _NO_ROOM in said:
        raise JobError(f"the overlay has no room in the file system of {image.name}: {text}")
    if complaints:
        raise InfrastructureError(f"the overlay cannot be written into {image.name}: {text}")
