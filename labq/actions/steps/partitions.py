"""Where a partition of a disk image begins, by its GPT or MBR."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from labq.domain.errors import JobError

_SECTORS = (512, 4096)
_MOST_ENTRIES = 1024
_MOST_ENTRY_BYTES = 4096
_EMPTY_TYPE = bytes(16)


def offset_of(image: Path, partition: int) -> int:
    """Return the first byte of a partition, counted from 0; JobError where there is none."""
    with image.open("rb") as disk:
        found = _gpt(disk) or _mbr(disk)
        size = disk.seek(0, 2)
    if partition not in range(len(found)):
        raise JobError(f"{image.name} has no partition {partition}, it has {len(found)}")
    if found[partition] >= size:
        raise JobError(f"{image.name} ends before its partition {partition}")
    return found[partition]


def _gpt(disk: IO[bytes]) -> list[int]:
    for sector in _SECTORS:
        disk.seek(sector)
        header = disk.read(92)
        if header.startswith(b"EFI PART") and len(header) == 92:
            table, count, size = struct.unpack_from("<QII", header, 72)
            if count <= _MOST_ENTRIES and 128 <= size <= _MOST_ENTRY_BYTES:
                disk.seek(table * sector)
                return _gpt_entries(disk.read(count * size), size, sector)
    return []


def _gpt_entries(data: bytes, size: int, sector: int) -> list[int]:
    places = range(0, len(data) - size + 1, size)
    used = (place for place in places if data[place : place + 16] != _EMPTY_TYPE)
    return [struct.unpack_from("<Q", data, place + 32)[0] * sector for place in used]


def _mbr(disk: IO[bytes]) -> list[int]:
    """Return where the primary partitions begin."""
    disk.seek(0)
    boot = disk.read(512)
    if boot[510:] != b"\x55\xaa":
        return []
    entries = (boot[place : place + 16] for place in range(446, 510, 16))
    return [struct.unpack_from("<I", entry, 8)[0] * 512 for entry in entries if entry[4]]
