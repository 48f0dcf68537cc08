"""A bundle on the disk: a folder, or the same as one tar file; written once, checked before use.

The last thing written is the member `end`, which says where the manifest is, how long, its digest.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard
from typing_extensions import override

from labq.artifact_files import Source
from labq.domain.errors import ConflictError
from labq.services.backup.manifest import (
    END,
    MANIFEST,
    DamagedBundleError,
    Manifest,
    Member,
    Stored,
    read_manifest,
    read_stored,
    write_manifest,
)

BLOCK = 256 * 1024
TAR_BLOCK = tarfile.BLOCKSIZE
_TAIL = 2 * TAR_BLOCK
_END = re.compile(rb"(\d{1,19}) (\d{1,19}) ([0-9a-f]{64})\n *")
_PART = ".part"
_MOST_MANIFEST = 256 * 1024 * 1024
# A frame that asks for more memory than this was not written by labq.
MOST_WINDOW = 128 * 1024 * 1024


class Writer(Protocol):
    """Where members go; several threads may put some at once."""

    def put(self, name: str, source: Source, length: int) -> Member:
        """Write a member of exactly `length` bytes; raises OSError when the source has fewer."""

    def link(self, name: str, known: Member, folder: Path) -> Member | None:
        """Take a member over from an earlier bundle without copying it; None where that cannot be."""

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the end; the bundle is on the disk and has its name then."""

    def discard(self) -> None:
        """Remove what was written of a bundle that is not finished."""


class FolderWriter:
    """A bundle as a folder, in which each member is a file."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and any(folder.iterdir()):
            raise ConflictError(f"{folder} is not empty: give a folder that is not there yet")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def put(self, name: str, source: Source, length: int) -> Member:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _created(path) as target:
            digest = _copy(source, target, length, name)
        return Member(name=name, at=0, bytes=length, sha256=digest)

    def link(self, name: str, known: Member, folder: Path) -> Member | None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            path.hardlink_to(folder / known.name)
        except OSError:
            return None
        return Member(name=name, at=0, bytes=known.bytes, sha256=known.sha256)

    def finish(self, manifest: Manifest) -> None:
        text = write_manifest(manifest)
        self.put(MANIFEST, io.BytesIO(text), len(text))
        # One call for many small files.
        os.sync()
        end = _end(0, text)
        self.put(END, io.BytesIO(end), len(end))
        os.sync()

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class TarWriter:
    """A bundle as a tar file, which any tar unpacks to the folder; it has its name when it is whole."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise ConflictError(f"{path} is there already: give another name")
        self._path = path
        self._part = path.with_name(path.name + _PART)
        self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o600), "wb")
        self._lock = threading.Lock()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ConflictError(f"another dump writes {self._part}") from error
        self._file.truncate()

    def put(self, name: str, source: Source, length: int) -> Member:
        info = tarfile.TarInfo(name)
        info.size, info.mode = length, 0o600
        with self._lock:
            self._file.write(info.tobuf(tarfile.PAX_FORMAT))
            at = self._file.tell()
            digest = _copy(source, self._file, length, name)
            self._file.write(bytes(-length % TAR_BLOCK))
        return Member(name=name, at=at, bytes=length, sha256=digest)

    def link(self, name: str, known: Member, folder: Path) -> Member | None:
        with (folder / known.name).open("rb") as source:
            return self.put(name, source, known.bytes)

    def finish(self, manifest: Manifest) -> None:
        text = write_manifest(manifest)
        at = self.put(MANIFEST, io.BytesIO(text), len(text)).at
        end = _end(at, text)
        self.put(END, io.BytesIO(end), len(end))
        self._file.write(bytes(_TAIL))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


def make_writer(given: str) -> Writer:
    """Return the writer of a new bundle: a folder if it is one or ends with a slash, else a file.

    Raises ConflictError when something is there already.
    """
    path = Path(given).absolute()
    return FolderWriter(path) if path.is_dir() or given.endswith(os.sep) else TarWriter(path)


class Bundle:
    """A bundle to read. Raises DamagedBundleError when it has no end, or not that of its manifest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        at, length, sha256 = self._read_end()
        found = Member(name=MANIFEST, at=at, bytes=length, sha256=sha256)
        self.check(found)
        with self.open(found) as source:
            self.manifest = read_manifest(source.read(), path)

    def place(self, member: Member) -> Path:
        """Return the file in which a member is."""
        return self.path / member.name if self.is_folder else self.path

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Give a member's bytes."""
        if not self.is_folder and member.at < TAR_BLOCK:
            raise DamagedBundleError(f"{self.path}: {member.name} cannot be at byte {member.at}")
        try:
            file = self.place(member).open("rb", buffering=0)
        except OSError as error:
            reason = f"{self.place(member)}: {error.strerror}: it is part of the bundle"
            raise DamagedBundleError(reason) from error
        with file:
            file.seek(0 if self.is_folder else member.at)
            yield io.BufferedReader(_Window(file, member.bytes), BLOCK)

    @contextmanager
    def unpacked(self, member: Member) -> Iterator[BinaryIO]:
        """Give a member's bytes unpacked."""
        unpacker = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
        with self.open(member) as source, unpacker.stream_reader(source) as text:
            yield io.BufferedReader(text, BLOCK)

    def check(self, member: Member) -> None:
        """Read a member; raises DamagedBundleError when it is cut or changed."""
        digest = hashlib.sha256()
        length = 0
        with self.open(member) as source:
            while block := source.read(BLOCK):
                digest.update(block)
                length += len(block)
        where = self.place(member)
        if length < member.bytes or (self.is_folder and where.stat().st_size > member.bytes):
            have = where.stat().st_size - member.at if self.is_folder else length
            raise DamagedBundleError(
                f"{where}: {member.name} has {have} of {member.bytes} bytes: the bundle was cut"
            )
        if digest.hexdigest() != member.sha256:
            raise DamagedBundleError(
                f"{where}: the {member.bytes} bytes of {member.name} (from byte {member.at} on) "
                "are not those that were written: their SHA-256 is another one"
            )

    def stored(self) -> Iterator[Stored]:
        """Yield the files of the bundle."""
        if self.manifest.files is None:
            return
        with self.unpacked(self.manifest.files.listing) as lines:
            for line in lines:
                yield read_stored(line, self.path)

    def _read_end(self) -> tuple[int, int, str]:
        try:
            found = _parse_end(self._end_bytes())
        except FileNotFoundError as error:
            raise DamagedBundleError(f"{error.filename}: {error.strerror}") from error
        except (OSError, ValueError, tarfile.TarError) as error:
            raise DamagedBundleError(self._describe_cut()) from error
        if not 0 < found[1] <= _MOST_MANIFEST:
            raise DamagedBundleError(
                f"{self.path}: a manifest of {found[1]} bytes is none of labq's"
            )
        return found

    def _end_bytes(self) -> bytes:
        if self.is_folder:
            return (self.path / END).read_bytes()
        with self.path.open("rb") as file:
            file.seek(-(_TAIL + 2 * TAR_BLOCK), os.SEEK_END)
            info = tarfile.TarInfo.frombuf(file.read(TAR_BLOCK), "utf-8", "strict")
            if info.name != END:
                raise ValueError(info.name)
            return file.read(info.size)

    def _describe_cut(self) -> str:
        """Return where a file without its end was cut: its headers are followed from the first."""
        if self.is_folder:
            return f"{self.path / END} is not the end of a bundle: it was cut or changed"
        size = self.path.stat().st_size
        last = None
        with self.path.open("rb") as file:
            try:
                while (at := file.tell() + TAR_BLOCK) <= size:
                    last = tarfile.TarInfo.frombuf(file.read(TAR_BLOCK), "utf-8", "strict")
                    if (end := at + last.size) > size:
                        return (
                            f"{self.path}: cut at byte {size}, in {last.name}, which has "
                            f"{size - at} of its {last.size} bytes"
                        )
                    file.seek(end + -last.size % TAR_BLOCK)
            except tarfile.HeaderError:
                if last is None:
                    return f"{self.path} is no bundle of labq, and no tar file"
        after = f"after {last.name}" if last else "before anything was written"
        return f"{self.path}: cut at byte {size}, {after}: it has no end"


class _Window(io.RawIOBase):
    """The next `length` bytes of a file, and no more."""

    def __init__(self, file: io.FileIO, length: int) -> None:
        self._file = file
        self._left = length

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer, by its protocol
        block = self._file.read(min(len(buffer), self._left))
        buffer[: len(block)] = block
        self._left -= len(block)
        return len(block)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _end(at: int, manifest: bytes) -> bytes:
    text = f"{at} {len(manifest)} {hashlib.sha256(manifest).hexdigest()}\n"
    return text.ljust(TAR_BLOCK).encode()


def _parse_end(text: bytes) -> tuple[int, int, str]:
    """Return what `_end` wrote; raises ValueError for anything else."""
    found = _END.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]), int(found[2]), found[3].decode()


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file


def _copy(source: Source, target: BinaryIO, length: int, name: str) -> str:
    """Copy exactly `length` bytes and return their SHA-256."""
    digest = hashlib.sha256()
    left = length
    while left:
        block = source.read(min(BLOCK, left))
        if not block:
            raise OSError(f"{name} became shorter while it was copied: {left} bytes are missing")
        digest.update(block)
        target.write(block)
        left -= len(block)
    return digest.hexdigest()
