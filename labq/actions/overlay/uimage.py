"""U-Boot's legacy image header (include/image.h of U-Boot) around a ramdisk."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

MAGIC = 0x27051956
_HEADER = struct.Struct(">IIIIIIIBBBB32s")
_OS_LINUX = 5
_TYPE_RAMDISK = 3
_ARCHITECTURES = {"arm": 2, "x86": 3, "mips": 5, "powerpc": 7, "arm64": 22, "riscv": 26}
_CHUNK = 1024 * 1024


def add_header(ramdisk: Path, architecture: str) -> None:
    """Put the header in front of the ramdisk; raises KeyError for an unknown architecture."""
    checksum = 0
    with ramdisk.open("rb") as source:
        while data := source.read(_CHUNK):
            checksum = zlib.crc32(data, checksum)
        size = source.tell()
        wrapped = ramdisk.with_name(f"{ramdisk.name}.wrapped")
        source.seek(0)
        with wrapped.open("wb") as out:
            out.write(_header(size, checksum, _ARCHITECTURES[architecture]))
            shutil.copyfileobj(source, out, _CHUNK)
    wrapped.replace(ramdisk)


def _header(size: int, checksum: int, architecture: int) -> bytes:
    kind = (_OS_LINUX, architecture, _TYPE_RAMDISK, 0)
    bare = _HEADER.pack(MAGIC, 0, 0, size, 0, 0, checksum, *kind, b"labq ramdisk")
    return bare[:4] + struct.pack(">I", zlib.crc32(bare)) + bare[8:]
