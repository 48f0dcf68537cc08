"""The raw bytes of a run's consoles as files, made from its journal: the same bytes each time."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO

import zstandard

from labq.benchlink.records import Kind, parse
from labq.domain.artifacts import console_name

_LEVEL = 3


def write_consoles(journal: int, target: Path) -> list[Path]:
    """Write what came from each channel into the folder `target`; return the files.

    A file is whole once it has its name; one of an earlier try is replaced.
    """
    size = os.fstat(journal).st_size
    if not size:
        return []
    writers: dict[str, tuple[BinaryIO, zstandard.ZstdCompressionWriter]] = {}
    try:
        with (
            mmap.mmap(journal, size, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            for record in parse(view, 0):
                if record.kind == Kind.OUTPUT:
                    if record.channel not in writers:
                        writers[record.channel] = _writer(target / console_name(record.channel))
                    writers[record.channel][1].write(record.data)
        for _, writer in writers.values():
            writer.flush(zstandard.FLUSH_FRAME)
    finally:
        for file, _ in writers.values():
            file.close()
    return [_named(target / console_name(channel)) for channel in writers]


def _writer(path: Path) -> tuple[BinaryIO, zstandard.ZstdCompressionWriter]:
    file = _draft(path).open("wb")
    return file, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False)


def _named(path: Path) -> Path:
    _draft(path).replace(path)
    return path


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
