"""What was read from a console and is not in the journal yet, safe from the bench's sudden death.

A descriptor is read straight into a mapped file: the bytes are the kernel's before the bench sees
them. The next bench appends them, unless the journal has the record that they were read for.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

PREFIX = "inbox-"
_EXPECTED = struct.Struct("<Q")


class Inbox:
    """The file of one channel, for at most `size` bytes at a time."""

    def __init__(self, folder: Path, channel: str, size: int) -> None:
        path = folder / f"{PREFIX}{quote(channel, safe='')}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, _EXPECTED.size + size)
            self._map = mmap.mmap(file, _EXPECTED.size + size)
        finally:
            os.close(file)
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


def left_over(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield what a killed bench left: channel, the sequence of its record, the bytes.

    How many there are is told by the zeros behind them: zeros at their very end are lost.
    """
    for path in sorted(folder.glob(f"{PREFIX}*")):
        content = path.read_bytes()
        data = content[_EXPECTED.size :].rstrip(b"\0")
        if data:
            yield unquote(path.name[len(PREFIX) :]), _EXPECTED.unpack_from(content)[0], data
            path.unlink()
