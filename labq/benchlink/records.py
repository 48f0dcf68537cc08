"""The journal's binary records: how they are packed, and how they are found again in bytes.

Layout, little-endian: length of what follows the first 8 bytes, CRC-32 of it, sequence, wall time
(microseconds since 1970), monotonic time (seconds), kind, length of the channel's name, step,
number; then the name and the data. `number` counts the channel's bytes before an OUTPUT, and is
the emission's number within its step for INPUT, TYPING, TYPED, LOG, RESULT and MESSAGE.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

_HEADER = struct.Struct("<IIQQdBBHQ")
_PREFIX = 8
HEADER_BYTES = _HEADER.size
MOST_DATA = 1024 * 1024


class Kind(IntEnum):
    """What a record says. Data is JSON for all but OUTPUT, INPUT, TYPING and TYPED."""

    OUTPUT = 1
    INPUT = 2
    TYPING = 3
    TYPED = 4
    LOG = 5
    RESULT = 6
    BEGIN = 7
    END = 8
    LOST = 9
    EPOCH = 10
    OPENED = 11
    CLOSED = 12
    GAP = 13
    BACK = 14
    MESSAGE = 15
    GROUP = 16


class Record(NamedTuple):
    """One record; `position` is its first byte in the journal."""

    position: int
    sequence: int
    wall: int
    at: float
    kind: int
    channel: str
    step: int
    number: int
    data: bytes


def pack(record: Record) -> bytes:
    """Return the bytes of a record (its position is not part of them)."""
    name = record.channel.encode()
    body = HEADER_BYTES - _PREFIX + len(name) + len(record.data)
    header = _HEADER.pack(
        body,
        0,
        record.sequence,
        record.wall,
        record.at,
        record.kind,
        len(name),
        record.step,
        record.number,
    )
    rest = b"".join((header[_PREFIX:], name, record.data))
    return header[:4] + zlib.crc32(rest).to_bytes(4, "little") + rest


def parse(buffer: bytes | memoryview, base: int, start: int = 0) -> Iterator[Record]:
    """Yield the complete records in `buffer` from `start`; `base` is the position of its byte 0.

    Checksums are not looked at: the writer checked them when it opened the journal.
    """
    unpack, size, end = _HEADER.unpack_from, HEADER_BYTES, len(buffer)
    while start + size <= end:
        length, _, sequence, wall, at, kind, name, step, number = unpack(buffer, start)
        stop = start + _PREFIX + length
        if stop > end:
            return
        text = start + size
        channel = str(buffer[text : text + name], "utf-8") if name else ""
        data = bytes(buffer[text + name : stop])
        yield Record(base + start, sequence, wall, at, kind, channel, step, number, data)
        start = stop


def size_of(record: Record) -> int:
    """Return how many bytes the record takes in the journal."""
    return HEADER_BYTES + len(record.channel.encode()) + len(record.data)


def whole_bytes(buffer: bytes | memoryview, sequence: int) -> int:
    """Return how many leading bytes are sound records, numbered on from `sequence` + 1."""
    start, end = 0, len(buffer)
    while start + HEADER_BYTES <= end:
        length, checksum, number = struct.unpack_from("<IIQ", buffer, start)
        stop = start + _PREFIX + length
        sound = HEADER_BYTES - _PREFIX <= length <= HEADER_BYTES + 255 + MOST_DATA and stop <= end
        if not sound or number != sequence + 1:
            break
        if zlib.crc32(buffer[start + _PREFIX : stop]) != checksum:
            break
        start, sequence = stop, number
    return start
