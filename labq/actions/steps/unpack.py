"""Decompression and tar archives from strangers: bounded in size, never outside of their folder."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Protocol

import zstandard

from labq.actions.steps.tar_member import extract
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError

CHUNK_BYTES = 1024 * 1024
MOST_MEMBERS = 2_000_000
SUFFIXES = {"gz": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst"}
_CORRUPT = (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def decompress(source: Path, kind: str, target: Path, *, limit: int, deadline: Deadline) -> None:
    """Write the decompressed bytes of `source` to `target`.

    Raises JobError when they are corrupt, truncated, or more than `limit` bytes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out, closing(_opened(source, kind)) as packed:
        total = 0
        while data := _read(packed, source, kind):
            total += len(data)
            if total > limit:
                raise JobError(f"{source.name} decompresses to more than {limit} bytes")
            if deadline.is_over():
                raise InfrastructureError(f"decompressing {source.name} took too long")
            out.write(data)


class _Readable(Protocol):
    """What all decompressors are."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


def _opened(source: Path, kind: str) -> _Readable:
    match kind:
        case "gz":
            return gzip.open(source, "rb")
        case "bz2":
            return bz2.open(source, "rb")
        case "xz":
            return lzma.open(source, "rb")
        case _:
            return _zstd(source)


def _zstd(source: Path) -> zstandard.ZstdDecompressionReader:
    reader = zstandard.ZstdDecompressor().stream_reader
    return reader(source.open("rb"), read_across_frames=True, closefd=True)


def _read(packed: _Readable, source: Path, kind: str) -> bytes:
    try:
        return packed.read(CHUNK_BYTES)
    except _CORRUPT as error:
        raise JobError(f"{source.name} is not sound {kind} data: {error}") from error


def stripped_name(name: str, kind: str) -> str:
    """Return a file name without its last extension, as LAVA names decompressed files."""
    stem, dot, _ = name.rpartition(".")
    return stem if dot and kind in SUFFIXES and stem else name


def unpack_tar(archive: Path, folder: Path, *, limit: int, strip: int = 0) -> None:
    """Unpack a tar archive, also a compressed one, into `folder`.

    Raises JobError for members that would leave the folder, for devices, and for archives of more
    than `limit` bytes or MOST_MEMBERS files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _open_tar(archive) as tar:
            budget = limit
            for number, member in enumerate(tar):
                budget -= member.size
                if budget < 0 or number >= MOST_MEMBERS:
                    raise JobError(f"{archive.name} unpacks to too much: over {limit} bytes")
                extract(tar, member, folder, strip)
    except (tarfile.TarError, *_CORRUPT) as error:
        raise JobError(f"{archive.name} cannot be unpacked: {error}") from error


def _open_tar(archive: Path) -> tarfile.TarFile:
    with archive.open("rb") as head:
        magic = head.read(4)
    if magic == b"\x28\xb5\x2f\xfd":
        return tarfile.open(fileobj=_zstd(archive), mode="r|")
    return tarfile.open(archive, mode="r|*")
