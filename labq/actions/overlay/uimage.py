"""U-Boot's legacy image header (include/image.h of U-Boot) around a kernel or a ramdisk."""

from __future__ import annotations

import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

MAGIC = 0x27051956
_HEADER = struct.Struct(">IIIIIIIBBBB32s")
_OS_LINUX = 5
_ARCHITECTURES = {"arm": 2, "x86": 3, "mips": 5, "powerpc": 7, "arm64": 22, "riscv": 26}
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What the header says of the file: `load` and `entry` are addresses in memory."""

    kind: int
    name: bytes
    load: int = 0
    entry: int = 0


RAMDISK = Content(3, b"labq ramdisk")


def kernel(load: int, entry: int) -> Content:
    """Return what is said of a kernel that is copied to `load` and started at `entry`."""
    return Content(2, b"labq kernel", load, entry)


def add_header(path: Path, architecture: str, content: Content = RAMDISK) -> None:
    """Put the header in front of the file; raises KeyError for an unknown architecture."""
    checksum = 0
    with path.open("rb") as source:
        while data := source.read(_CHUNK):
            checksum = zlib.crc32(data, checksum)
        size = source.tell()
        wrapped = path.with_name(f"{path.name}.wrapped")
        source.seek(0)
        with wrapped.open("wb") as out:
            out.write(_header(size, checksum, _ARCHITECTURES[architecture], content))
            shutil.copyfileobj(source, out, _CHUNK)
    wrapped.replace(path)


def _header(size: int, checksum: int, architecture: int, content: Content) -> bytes:
    kind = (_OS_LINUX, architecture, content.kind, 0)
    places = (content.load, content.entry)
    bare = _HEADER.pack(MAGIC, 0, 0, size, *places, checksum, *kind, content.name)
    return bare[:4] + struct.pack(">I", zlib.crc32(bare)) + bare[8:]
