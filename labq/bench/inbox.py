"""What went over a console and is not in the journal yet, safe from the bench's sudden death.

A descriptor is read straight into a mapped file: the bytes are the kernel's before the bench sees
them. What is sent is noted in another mapped file, which takes no system call, so that nearly no
time lies between the note and the write. The next bench appends both to the journal, unless that
has the record that they were for.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from labq.benchlink.records import Kind

_READ, _SENT = "inbox-", "sent-"
_EXPECTED = struct.Struct("<Q")
_NOTE = struct.Struct("<QBHQI")


class Left(NamedTuple):
    """What a killed bench left, and the sequence of the record that it is for."""

    sequence: int
    kind: Kind
    channel: str
    step: int
    number: int
    data: bytes


class Inbox:
    """The file of one channel, for at most `size` bytes at a time."""

    def __init__(self, folder: Path, channel: str, size: int) -> None:
        self._map = _mapped(folder, _READ, channel, _EXPECTED.size + size)
        self._view = memoryview(self._map)[_EXPECTED.size :]
        self._length = 0

    def expect(self, sequence: int) -> None:
        """Say which record the next bytes are for."""
        _EXPECTED.pack_into(self._map, 0, sequence)

    def read(self, file: int) -> int | None:
        """Read what fits; return how much, 0 at the end, None when there is nothing now."""
        try:
            count = os.readv(file, [self._view[self._length :]])
        except BlockingIOError:
            return None
        except OSError:
            # EIO: the last process on the other side of a terminal has gone.
            return 0
        self._length += count
        return count

    @property
    def room(self) -> int:
        """Return how much may still be read."""
        return len(self._view) - self._length

    def data(self) -> bytes:
        """Return what was read."""
        return bytes(self._view[: self._length])

    def clear(self) -> None:
        """Forget it: the journal has it."""
        self._view[: self._length] = bytes(self._length)
        self._length = 0

    def close(self) -> None:
        """Let the file go."""
        self._view.release()
        self._map.close()


class Note:
    """The file of one channel for what is being sent, at most `size` bytes at a time."""

    def __init__(self, folder: Path, channel: str, size: int) -> None:
        self._map = _mapped(folder, _SENT, channel, _NOTE.size + size)

    def take(self, sequence: int, kind: Kind, where: tuple[int, int], data: bytes) -> None:
        """Note what is sent now and for which record; `where` is its step and number."""
        self._map[_NOTE.size : _NOTE.size + len(data)] = data
        _NOTE.pack_into(self._map, 0, sequence, kind, *where, len(data))

    def clear(self) -> None:
        """Forget it: the journal has it."""
        _EXPECTED.pack_into(self._map, 0, 0)

    def close(self) -> None:
        """Let the file go."""
        self._map.close()


def left_over(folder: Path) -> Iterator[Left]:
    """Yield what a killed bench left, and remove its files.

    How many bytes were read is told by the zeros behind them: zeros at their very end are lost.
    """
    for path in sorted(folder.glob(f"{_READ}*")):
        content = path.read_bytes()
        data = content[_EXPECTED.size :].rstrip(b"\0")
        if data:
            sequence = _EXPECTED.unpack_from(content)[0]
            yield Left(sequence, Kind.OUTPUT, unquote(path.name[len(_READ) :]), 0, 0, data)
        path.unlink()
    for path in sorted(folder.glob(f"{_SENT}*")):
        content = path.read_bytes()
        sequence, kind, step, number, length = _NOTE.unpack_from(content)
        if sequence:
            data = content[_NOTE.size : _NOTE.size + length]
            name = unquote(path.name[len(_SENT) :])
            yield Left(sequence, Kind(kind), name, step, number, data)
        path.unlink()


def _mapped(folder: Path, prefix: str, channel: str, size: int) -> mmap.mmap:
    path = folder / f"{prefix}{quote(channel, safe='')}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(file, size)
        # A page without its place on a full disk would end the bench when it is written to.
        os.posix_fallocate(file, 0, size)
        return mmap.mmap(file, size)
    finally:
        os.close(file)
