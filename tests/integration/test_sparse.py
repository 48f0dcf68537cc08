"""Android's sparse images: written, read back, and refused when they are not whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.hw.sparse import BLOCK_BYTES, SparseError, is_sparse, read_header, to_sparse, write_out
from labq.hw.sparse import to_raw as written_out

blocks = st.lists(st.sampled_from([bytes(BLOCK_BYTES), b"\1" * BLOCK_BYTES, b"abcd" * 1024]))


def sparse_of(data: bytes, folder: Path) -> bytes:
    """Return the sparse image of some bytes."""
    (folder / "raw").write_bytes(data)
    to_sparse(folder / "raw", folder / "packed")
    return (folder / "packed").read_bytes()


@given(content=blocks, rest=st.binary(max_size=100))
def test_an_image_comes_back_as_it_was_rounded_up_to_whole_blocks(
    content: list[bytes], rest: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sparse")
    data = b"".join(content) + rest
    sparse_of(data, folder)
    assert is_sparse(folder / "packed")
    written_out(folder / "packed", folder / "again", most_bytes=2**30)
    whole = -(-len(data) // BLOCK_BYTES) * BLOCK_BYTES
    assert (folder / "again").read_bytes() == data.ljust(whole, b"\0")


def test_zeros_take_no_room(tmp_path: Path) -> None:
    assert len(sparse_of(bytes(4 * 1024 * 1024), tmp_path)) < 200


def test_holes_leave_what_is_there(tmp_path: Path) -> None:
    image = bytearray(sparse_of(b"x" * BLOCK_BYTES, tmp_path))
    # The one chunk becomes a hole: its kind, its size, and no data.
    image[28:30] = (0xCAC3).to_bytes(2, "little")
    image[36:40] = (12).to_bytes(4, "little")
    target = io.BytesIO(b"y" * BLOCK_BYTES)
    write_out(io.BytesIO(image[:40]), target, most_bytes=2**20)
    assert target.getvalue() == b"y" * BLOCK_BYTES


@pytest.mark.parametrize(
    ("cut", "message"),
    [(10, "ends 18 bytes too early"), (30, "ends 10 bytes too early"), (500, "bytes too early")],
)
def test_a_part_of_an_image_is_refused(tmp_path: Path, cut: int, message: str) -> None:
    image = sparse_of(b"x" * BLOCK_BYTES, tmp_path)
    with pytest.raises(SparseError, match=message):
        write_out(io.BytesIO(image[:cut]), io.BytesIO(), most_bytes=2**20)


def test_what_is_no_sparse_image_is_refused() -> None:
    with pytest.raises(SparseError, match="no header of a sparse image"):
        read_header(io.BytesIO(b"x" * 100))


def test_an_image_that_is_too_large_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    image = sparse_of(bytes(4 * BLOCK_BYTES), tmp_path)
    target = io.BytesIO()
    with pytest.raises(SparseError, match="an image of 16384 bytes, at most 16383 fit"):
        write_out(io.BytesIO(image), target, most_bytes=16383)
    assert target.getvalue() == b""


def test_chunks_that_do_not_fill_the_image_are_refused(tmp_path: Path) -> None:
    image = bytearray(sparse_of(b"x" * BLOCK_BYTES, tmp_path))
    image[16:20] = (2).to_bytes(4, "little")
    with pytest.raises(SparseError, match="chunks for 1 of 2 blocks"):
        write_out(io.BytesIO(image), io.BytesIO(), most_bytes=2**20)
