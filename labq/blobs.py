"""Bytes of logs on the server's disk, by offset and by line.

A run's log grows as a plain file, with marks (offset, line) in a file beside it. Readers are told
by the database how many bytes are stored, and look at no more. A log that grows no more is packed
into zstd frames; a last, skippable frame says where they begin, so any zstd program can read it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from labq.domain.errors import InfrastructureError

FRAME_BYTES = 256 * 1024
RUNS_IN_FOLDER = 1000
MARK_BYTES = 64 * 1024
_PAIR = struct.Struct("<QQ")
_FRAME = struct.Struct("<QQQ")
_SKIPPABLE = struct.Struct("<II")
_SKIPPABLE_MAGIC = 0x184D2A5A
_FOOTER = struct.Struct("<II")
_FOOTER_MAGIC = 0x4C425131
_BLOCK = 1024 * 1024
_NO_LINE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Mark:
    """A place where a line begins, and how many lines stand before it."""

    offset: int
    lines: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame of a packed log: where its bytes begin, and the first line that begins in its text.

    Frame n holds the text from n * FRAME_BYTES on.
    """

    place: int
    line_offset: int
    lines: int


class Logs:
    """The logs of all runs below one folder; several processes may read while one writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "logs"

    def place(self, run: int, *, is_packed: bool) -> Path:
        """Return where a run's log is in one of its forms."""
        return self._packed(run) if is_packed else self._path(run)

    def writer(self, run: int) -> LogWriter:
        """Open a run's log for writing; a packed one becomes a plain file again."""
        path = self._path(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and self._packed(run).exists():
            self._unpack(run)
        return LogWriter(path, self._marks(run))

    def read(self, run: int, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only where the log ends."""
        plain = self._read_plain(run, offset, length)
        if plain is not None:
            return plain
        try:
            return self._read_packed(run, offset, length)
        except FileNotFoundError:
            return self._read_plain(run, offset, length) or b""

    def read_lines(self, run: int, first: int, count: int, stored: int) -> list[bytes]:
        """Return up to `count` whole lines from line `first` (0-based) in the first `stored` bytes.

        Lines come without their newline; one that is not ended yet is not returned.
        """
        mark = self._mark_before(run, first, stored)
        lines: list[bytes] = []
        skip = first - mark.lines
        for line in self._lines_from(run, mark.offset, stored):
            if skip:
                skip -= 1
                continue
            if len(lines) == count:
                break
            lines.append(line)
        return lines

    def pack(self, run: int, length: int) -> bool:
        """Write the packed form of a log's first `length` bytes; False when there is no log.

        Readers see it, and the plain file goes, with `adopt`.
        """
        if not self._path(run).exists():
            return False
        with self._path(run).open("rb") as source, self._fresh(run).open("wb") as target:
            rows = b"".join(_FRAME.pack(*row) for row in _compress(source, target, length))
            size = len(rows) + _FOOTER.size
            target.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, size) + rows)
            target.write(_FOOTER.pack(len(rows), _FOOTER_MAGIC))
            _sync(target)
        return True

    def adopt(self, run: int) -> None:
        """Put what `pack` wrote in the place of the plain log, which must not have grown since."""
        self._fresh(run).rename(self._packed(run))
        _sync_folder(self._packed(run).parent)
        self._drop_plain(run)

    def remove(self, run: int) -> None:
        """Delete a run's log in every form."""
        self._drop_plain(run)
        self._packed(run).unlink(missing_ok=True)
        self._fresh(run).unlink(missing_ok=True)

    def _drop_plain(self, run: int) -> None:
        self._path(run).unlink(missing_ok=True)
        self._marks(run).unlink(missing_ok=True)

    def _unpack(self, run: int) -> None:
        """Write a packed log back as a plain file: late bytes follow."""
        fresh = self._path(run).with_suffix(".log.new")
        offset = 0
        with fresh.open("wb") as target:
            while block := self._read_packed(run, offset, _BLOCK):
                target.write(block)
                offset += len(block)
            _sync(target)
        usable = [frame for frame in self._load_frames(run) if frame.line_offset != _NO_LINE]
        marks = b"".join(_PAIR.pack(frame.line_offset, frame.lines) for frame in usable)
        self._marks(run).write_bytes(marks)
        fresh.rename(self._path(run))

    def _read_plain(self, run: int, offset: int, length: int) -> bytes | None:
        try:
            with self._path(run).open("rb", buffering=0) as file:
                return _read_at(file.fileno(), offset, length)
        except FileNotFoundError:
            return None

    def _read_packed(self, run: int, offset: int, length: int) -> bytes:
        """Return text of a packed log; raises FileNotFoundError when it is not packed."""
        found = bytearray()
        with self._packed(run).open("rb", buffering=0) as file:
            frames, end = _read_index(file.fileno())
            places = [*(frame.place for frame in frames), end]
            at, skip = divmod(offset, FRAME_BYTES)
            while len(found) < length and at + 1 < len(places):
                packed = _read_at(file.fileno(), places[at], places[at + 1] - places[at])
                found += zstandard.ZstdDecompressor().decompress(packed)[skip:]
                at, skip = at + 1, 0
        return bytes(found[:length])

    def _lines_from(self, run: int, offset: int, stored: int) -> Iterator[bytes]:
        """Yield the whole lines from `offset` on."""
        rest = b""
        while offset < stored:
            block = self.read(run, offset, min(_BLOCK, stored - offset))
            if not block:
                return
            offset += len(block)
            *whole, rest = (rest + block).split(b"\n")
            yield from whole

    def _mark_before(self, run: int, line: int, stored: int) -> Mark:
        """Return the last known beginning of a line that is not past `line`."""
        marks = self._load_marks(run) or [
            Mark(frame.line_offset, frame.lines) for frame in self._load_frames(run)
        ]
        usable = [mark for mark in marks if mark.lines <= line and mark.offset <= stored]
        return max(usable, key=lambda mark: mark.offset, default=Mark(0, 0))

    def _load_marks(self, run: int) -> list[Mark]:
        return [Mark(*row) for row in _rows(self._marks(run), _PAIR)]

    def _load_frames(self, run: int) -> list[_Frame]:
        with suppress(FileNotFoundError), self._packed(run).open("rb", buffering=0) as file:
            return _read_index(file.fileno())[0]
        return []

    def _path(self, run: int) -> Path:
        return self._folder / str(run // RUNS_IN_FOLDER) / f"{run}.log"

    def _marks(self, run: int) -> Path:
        return self._path(run).with_suffix(".marks")

    def _packed(self, run: int) -> Path:
        return self._path(run).with_suffix(".zst")

    def _fresh(self, run: int) -> Path:
        return self._path(run).with_suffix(".zst.new")


class LogWriter:
    """One run's plain log, open for writing. Writing the same bytes twice changes nothing."""

    def __init__(self, path: Path, marks: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._marks = marks
        self._marked = 0

    def write(self, offset: int, data: bytes, lines: int) -> int:
        """Write `data` at `offset`, before which `lines` lines end; return how many end in it."""
        _write_at(self._file, offset, data)
        count = data.count(b"\n")
        if count and offset + len(data) - self._marked >= MARK_BYTES:
            mark = _PAIR.pack(offset + data.rindex(b"\n") + 1, lines + count)
            with self._marks.open("ab", buffering=0) as file:
                file.write(mark)
            self._marked = offset + len(data)
        return count

    def sync(self) -> None:
        """Return once everything written is on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _compress(source: BinaryIO, target: BinaryIO, length: int) -> Iterator[tuple[int, int, int]]:
    """Write the first `length` bytes as frames, and yield the fields of each one's `_Frame`."""
    compressor = zstandard.ZstdCompressor(level=6)
    place = lines = offset = 0
    ended = b"\n"
    while data := source.read(min(FRAME_BYTES, length - offset)):
        yield place, *_first_line(data, offset, lines, is_begun=ended != b"\n")
        place += target.write(compressor.compress(data))
        offset += len(data)
        lines += data.count(b"\n")
        ended = data[-1:]


def _first_line(data: bytes, offset: int, lines: int, *, is_begun: bool) -> tuple[int, int]:
    """Return where the first line of `data` begins and how many lines stand before that one."""
    if not is_begun:
        return offset, lines
    newline = data.find(b"\n")
    return (offset + newline + 1, lines + 1) if newline >= 0 else (_NO_LINE, lines)


def _read_index(file: int) -> tuple[list[_Frame], int]:
    """Return the frames of a packed log and where the last of them ends."""
    end = os.fstat(file).st_size - _FOOTER.size
    size, magic = _FOOTER.unpack(_read_at(file, end, _FOOTER.size))
    if magic != _FOOTER_MAGIC:
        raise InfrastructureError("a packed log is damaged: it has no index at its end")
    rows = _read_at(file, end - size, size)
    return [_Frame(*row) for row in _FRAME.iter_unpack(rows)], end - size - _SKIPPABLE.size


def _rows(path: Path, form: struct.Struct) -> Iterator[tuple[int, ...]]:
    """Yield the whole records of a file, none when it is not there."""
    with suppress(FileNotFoundError):
        data = path.read_bytes()
        yield from form.iter_unpack(data[: len(data) // form.size * form.size])


def _read_at(file: int, offset: int, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length and (
        part := os.pread(file, length - len(parts), offset + len(parts))
    ):
        parts += part
    return bytes(parts)


def _write_at(file: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        offset += written
        view = view[written:]


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
