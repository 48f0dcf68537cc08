"""Simulates a loss of power: notes what a host has synced, and throws away what it has not.

A killed process loses nothing that it wrote: the kernel has it. So the host's processes note each
sync, and a power cut takes files back to their length at the last one, undoes renames in folders that
were not synced since, and removes files that no sync has put on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Notes:
    """A folder with what is known to be on disk.

    `lengths` has a line for each sync of a file: inode, name, length. `<digest of a folder>.names`
    has what stood in the folder when it was synced last, `<digest>/<name>` what a rename since then
    has replaced: a link to the file of before, or with `.absent` the name that it had itself.
    """

    folder: Path

    def track(self) -> None:
        """Have every sync and rename of this process and its forks noted."""
        self.folder.mkdir(exist_ok=True)
        os.fsync = self._noting_syncs(os.fsync)
        os.fdatasync = self._noting_syncs(os.fdatasync)
        os.rename = self._noting_renames(os.rename)
        os.replace = self._noting_renames(os.replace)

    def cut_power(self, root: Path) -> int:
        """Leave below `root` only what is on disk; return how many bytes are gone."""
        for folder in _folders(root):
            self._undo_renames(folder)
        lengths = self._lengths()
        gone = sum(self._forget(path, lengths) for path in list(_files(root)))
        shutil.rmtree(self.folder)
        self.settle(root)
        return gone

    def settle(self, root: Path) -> None:
        """Note that everything below `root` is on disk."""
        self.folder.mkdir(exist_ok=True)
        for path in _files(root):
            self._note_length(path, path.stat())
        for folder in _folders(root):
            self._note_folder(folder)

    def _noting_syncs(self, call: Call) -> Call:
        @wraps(call)
        def _sync(file: int) -> None:
            path = Path(f"/proc/self/fd/{file}").readlink()
            before = os.fstat(file)
            call(file)
            if stat.S_ISDIR(before.st_mode):
                self._note_folder(path)
            else:
                self._note_length(path, before)

        return _sync

    def _noting_renames(self, call: Call) -> Call:
        @wraps(call)
        def _rename(source: Any, target: Any, **options: Any) -> None:
            self._keep(Path(source).absolute(), Path(target).absolute())
            call(source, target, **options)

        return _rename

    def _note_length(self, path: Path, facts: os.stat_result) -> None:
        line = json.dumps([facts.st_ino, path.name, facts.st_size]) + "\n"
        _append(self.folder / "lengths", line.encode())

    def _note_folder(self, path: Path) -> None:
        names = {entry.name: entry.inode() for entry in os.scandir(path)}
        draft = self._of(path).with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        draft.write_text(json.dumps(names))
        _move(draft, self._of(path).with_suffix(".names"))
        shutil.rmtree(self._of(path), ignore_errors=True)

    def _keep(self, source: Path, target: Path) -> None:
        """Keep what a rename replaces, unless that is not on disk itself."""
        kept = self._of(target.parent)
        kept.mkdir(exist_ok=True)
        old, absent = kept / target.name, kept / f"{target.name}.absent"
        if old.exists() or absent.is_symlink():
            return
        with suppress(OSError):
            if target.exists():
                os.link(target, old)
            else:
                # A link takes no room: this works on a full disk too.
                absent.symlink_to(source)

    def _undo_renames(self, folder: Path) -> None:
        kept = self._of(folder)
        for entry in sorted(kept.iterdir()) if kept.is_dir() else ():
            if entry.suffix == ".absent":
                target = folder / entry.name.removesuffix(".absent")
                if target.exists() and not target.is_symlink():
                    _move(target, entry.readlink())
            else:
                _move(entry, folder / entry.name)

    def _forget(self, path: Path, lengths: dict[tuple[int, str], int]) -> int:
        """Take one file back to what is on disk; return how many bytes are gone."""
        facts = path.stat()
        known = lengths.get((facts.st_ino, path.name))
        if known is None and path.name not in self._names(path.parent):
            path.unlink()
            return facts.st_size
        length = min(known or 0, facts.st_size)
        os.truncate(path, length)
        return facts.st_size - length

    def _lengths(self) -> dict[tuple[int, str], int]:
        try:
            lines = (self.folder / "lengths").read_text().splitlines()
        except FileNotFoundError:
            return {}
        found = {}
        for line in lines:
            inode, name, length = json.loads(line)
            # A file is synced under its draft's name before it is renamed.
            for one in (name, name.removesuffix(".new")):
                found[inode, one] = length
        return found

    def _names(self, folder: Path) -> dict[str, int]:
        try:
            names: dict[str, int] = json.loads(self._of(folder).with_suffix(".names").read_text())
        except FileNotFoundError:
            return {}
        return names

    def _of(self, folder: Path) -> Path:
        return self.folder / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _append(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def _move(source: Path, target: Path) -> None:
    """Rename past the noting of renames."""
    _RENAME(source, target)


def _folders(root: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(root):
        yield Path(folder)


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


_RENAME = os.rename
