"""Bytes of artifacts on the server's disk: a folder for each run, files named by their digest.

A file grows as `<digest>.part` and gets its name once it is whole, right and on the disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from labq.domain.artifacts import MOST_FILES
from labq.domain.errors import ConflictError, InvalidInputError, Problem, TooLargeError

STALE_SECONDS = 24 * 3600
RUNS_IN_FOLDER = 1000
_BLOCK = 256 * 1024
_PART = ".part"


class Source(Protocol):
    """Where bytes are read from: a request's body."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file of `total` bytes with this digest: `length` of them from `offset` on."""

    digest: str
    total: int
    offset: int
    length: int


class ArtifactFiles:
    """All artifacts below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "artifacts"

    def path(self, run: int, digest: str) -> Path:
        """Return where a whole file is."""
        return self._folder_of(run) / digest

    def store(self, run: int, piece: Piece, source: Source, *, most_bytes: int) -> int:
        """Write a piece and return how many bytes of its file are there now; twice is once.

        Bytes that do not follow those that are there are left, the number says where to go on.
        Raises TooLargeError over `most_bytes` for the run, InvalidInputError when the bytes are not
        what their digest says, ConflictError while another request writes the same file.
        """
        whole = self.path(run, piece.digest)
        if whole.exists():
            return whole.stat().st_size
        whole.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        part = whole.with_suffix(_PART)
        self._check_room(run, part, piece.total, most_bytes)
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            _lock(file, piece.digest)
            stored = os.fstat(file).st_size
            if stored == piece.offset:
                stored = _copy(source, file, piece)
            if stored >= piece.total:
                _finish(file, part, whole)
            return stored
        finally:
            os.close(file)

    def _check_room(self, run: int, part: Path, total: int, most_bytes: int) -> None:
        """Raise TooLargeError when the run's folder would become too large; drop stale parts."""
        used = count = 0
        stale = datetime.now(UTC).timestamp() - STALE_SECONDS
        for path in self._folder_of(run).iterdir():
            with suppress(FileNotFoundError):
                state = path.lstat()
                if path.suffix == _PART and path != part and state.st_mtime < stale:
                    path.unlink()
                elif path != part:
                    used, count = used + state.st_size, count + 1
        if used + total > most_bytes:
            raise TooLargeError(f"the artifacts of a run may have {most_bytes} bytes in all")
        if count >= MOST_FILES:
            raise TooLargeError(f"a run may have {MOST_FILES} artifacts")

    def _folder_of(self, run: int) -> Path:
        return self._folder / str(run // RUNS_IN_FOLDER) / str(run)


def _lock(file: int, digest: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(f"another request sends {digest}") from error


def _copy(source: Source, file: int, piece: Piece) -> int:
    """Write the piece's bytes as they come, and return how long the file is then."""
    end = piece.offset + piece.length
    at = os.lseek(file, piece.offset, os.SEEK_SET)
    while at < end and (block := source.read(min(_BLOCK, end - at))):
        view = memoryview(block)
        while view:
            view = view[os.write(file, view) :]
        at += len(block)
    return at


def _finish(file: int, part: Path, whole: Path) -> None:
    """Give a file its name when its bytes are right, else drop it."""
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        found = hashlib.file_digest(reader, "sha256").hexdigest()
    if found != whole.name:
        part.unlink(missing_ok=True)
        text = f"the bytes have the SHA-256 {found}, not {whole.name}"
        raise InvalidInputError([Problem("Repr-Digest", text)])
    os.fsync(file)
    part.rename(whole)
    folder = os.open(whole.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
