"""Android's sparse images: header, chunks of raw bytes, fills and holes (system/core/libsparse)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_SET
from pathlib import Path
from typing import IO

MAGIC = 0xED26FF3A
BLOCK_BYTES = 4096
_HEADER = struct.Struct("<IHHHHIIII")
_CHUNK = struct.Struct("<HHII")
_RAW, _FILL, _HOLE, _CHECKSUM = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
_ZERO = bytes(BLOCK_BYTES)
_PIECE_BYTES = 1024 * 1024
_MOST_BLOCKS = _PIECE_BYTES // BLOCK_BYTES


class SparseError(ValueError):
    """These bytes are no sparse image, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a sparse image says of itself: the image has `blocks` blocks of `block_bytes`."""

    block_bytes: int
    blocks: int
    chunks: int

    @property
    def size(self) -> int:
        """Return the bytes of the image when it is written out."""
        return self.block_bytes * self.blocks


def is_sparse(path: Path) -> bool:
    """Tell whether a file begins as a sparse image does."""
    with path.open("rb") as source:
        return source.read(4) == MAGIC.to_bytes(4, "little")


def read_header(source: IO[bytes]) -> Header:
    """Return the header at the file's position, which moves behind it; raises SparseError."""
    data = _exactly(source, _HEADER.size)
    magic, major, _, header_bytes, chunk_bytes, block_bytes, blocks, chunks, _ = _HEADER.unpack(
        data
    )
    if magic != MAGIC or major != 1:
        raise SparseError("no header of a sparse image of version 1")
    if header_bytes < _HEADER.size or chunk_bytes != _CHUNK.size or not block_bytes:
        raise SparseError(f"sizes {header_bytes}, {chunk_bytes}, {block_bytes} in the header")
    if block_bytes % 4:
        raise SparseError(f"blocks of {block_bytes} bytes")
    _exactly(source, header_bytes - _HEADER.size)
    return Header(block_bytes, blocks, chunks)


def write_out(source: IO[bytes], target: IO[bytes], *, most_bytes: int) -> Header:
    """Write what a sparse image holds to its places in `target`; holes stay as they are there.

    Raises SparseError when chunks and header do not fit together, or the image is too large.
    """
    header = read_header(source)
    if header.size > most_bytes:
        raise SparseError(f"an image of {header.size} bytes, at most {most_bytes} fit")
    block = 0
    for _ in range(header.chunks):
        kind, _, blocks, chunk_bytes = _CHUNK.unpack(_exactly(source, _CHUNK.size))
        if kind != _CHECKSUM and block + blocks > header.blocks:
            raise SparseError(f"a chunk of {blocks} blocks at {block} of {header.blocks}")
        target.seek(block * header.block_bytes, SEEK_SET)
        _write_chunk(source, target, kind, (blocks * header.block_bytes, chunk_bytes))
        block += 0 if kind == _CHECKSUM else blocks
    if block != header.blocks:
        raise SparseError(f"chunks for {block} of {header.blocks} blocks")
    if target.seek(0, os.SEEK_END) < header.size:
        target.truncate(header.size)
    return header


def to_raw(source: Path, target: Path, *, most_bytes: int) -> None:
    """Write a sparse image out as a plain one; raises SparseError."""
    with source.open("rb") as packed, target.open("wb") as raw:
        write_out(packed, raw, most_bytes=most_bytes)


def to_sparse(source: Path, target: Path) -> None:
    """Write a plain image as a sparse one; its size is rounded up to whole blocks."""
    blocks = -(-source.stat().st_size // BLOCK_BYTES)
    with source.open("rb") as raw, target.open("wb") as packed:
        packed.write(bytes(_HEADER.size))
        chunks = 0
        for chunks, (is_zero, data) in enumerate(_runs(raw), start=1):  # noqa: B007 - counted
            packed.write(_zeros(data) if is_zero else _raw(data))
        packed.seek(0)
        packed.write(
            _HEADER.pack(MAGIC, 1, 0, _HEADER.size, _CHUNK.size, BLOCK_BYTES, blocks, chunks, 0)
        )


def _write_chunk(source: IO[bytes], target: IO[bytes], kind: int, sizes: tuple[int, int]) -> None:
    """Write one chunk; `sizes` are its bytes in the image and with its header in the file."""
    image_bytes, chunk_bytes = sizes
    expected = {_RAW: image_bytes, _FILL: 4, _HOLE: 0, _CHECKSUM: 4}.get(kind)
    if expected is None or chunk_bytes != expected + _CHUNK.size:
        raise SparseError(f"a chunk of kind {kind:#x} with {chunk_bytes} bytes")
    if kind == _RAW:
        for size in _pieces(image_bytes):
            target.write(_exactly(source, size))
    elif kind == _FILL:
        pattern = _exactly(source, 4)
        for size in _pieces(image_bytes):
            target.write(pattern * (size // 4))
    else:
        _exactly(source, expected)


def _pieces(total: int) -> Iterator[int]:
    yield from (min(_PIECE_BYTES, total - done) for done in range(0, total, _PIECE_BYTES))


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise SparseError(f"the image ends {size - len(data)} bytes too early")
    return data


def _runs(raw: IO[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
    """Yield runs of blocks that are all zero or none, each of at most 1 MiB."""
    run: list[bytes] = []
    is_zero = False
    while block := raw.read(BLOCK_BYTES):
        block = block.ljust(BLOCK_BYTES, b"\0")
        zero = block == _ZERO
        if run and (zero != is_zero or len(run) == _MOST_BLOCKS):
            yield is_zero, run
            run = []
        is_zero = zero
        run.append(block)
    if run:
        yield is_zero, run


def _raw(data: list[bytes]) -> bytes:
    size = len(data) * BLOCK_BYTES + _CHUNK.size
    return _CHUNK.pack(_RAW, 0, len(data), size) + b"".join(data)


def _zeros(data: list[bytes]) -> bytes:
    return _CHUNK.pack(_FILL, 0, len(data), _CHUNK.size + 4) + bytes(4)
