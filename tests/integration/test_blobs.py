"""Log files: by offset and by line, plain and packed."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from labq.blobs import FRAME_BYTES, MARK_BYTES, Logs
from labq.domain.errors import InfrastructureError

RUN = 4321


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Return an empty store."""
    return Logs(tmp_path)


def text(lines: int, length: int = 80) -> bytes:
    return b"".join(b"%0*d\n" % (length - 1, number) for number in range(lines))


def store(logs: Logs, data: bytes, chunk: int = 50_000) -> None:
    writer = logs.writer(RUN)
    lines = 0
    for offset in range(0, len(data), chunk):
        lines += writer.write(offset, data[offset : offset + chunk], lines)
    writer.sync()
    writer.close()


def test_bytes_come_back_by_offset(logs: Logs) -> None:
    data = text(1000)
    store(logs, data)
    assert logs.read(RUN, 0, 10**6) == data
    assert logs.read(RUN, 777, 100) == data[777:877]
    assert logs.read(RUN, len(data) + 5, 10) == b""


def test_a_log_that_was_never_written_is_empty(logs: Logs) -> None:
    assert logs.read(RUN, 0, 10) == b""
    assert logs.read_lines(RUN, 0, 10, stored=0) == []


def test_only_stored_bytes_are_read_as_lines(logs: Logs) -> None:
    store(logs, b"one\ntwo\nthr")
    assert logs.read_lines(RUN, 0, 10, stored=6) == [b"one"]
    assert logs.read_lines(RUN, 0, 10, stored=11) == [b"one", b"two"]
    assert logs.read_lines(RUN, 1, 1, stored=11) == [b"two"]


def test_writing_the_same_bytes_again_changes_nothing(logs: Logs) -> None:
    data = text(3000)
    store(logs, data)
    store(logs, data, chunk=1234)
    assert logs.read(RUN, 0, len(data)) == data
    assert logs.read_lines(RUN, 2900, 2, stored=len(data)) == data.split(b"\n")[2900:2902]


@pytest.mark.parametrize("is_packed", [False, True])
def test_lines_far_down_a_long_log_are_found(logs: Logs, is_packed: bool) -> None:
    data = text(20_000)
    assert len(data) > 3 * FRAME_BYTES > 3 * MARK_BYTES
    store(logs, data)
    if is_packed:
        logs.pack(RUN, len(data))
        logs.adopt(RUN)
    expected = data.split(b"\n")
    for first in (0, 1, 3276, 3277, 9999, 19_998):
        assert logs.read_lines(RUN, first, 2, stored=len(data)) == expected[first : first + 2]
    assert logs.read_lines(RUN, 20_000, 1, stored=len(data)) == []
    assert logs.read(RUN, 3 * FRAME_BYTES - 10, 20) == data[3 * FRAME_BYTES - 10 :][:20]


def test_a_line_longer_than_frames_is_found_and_so_is_the_next(logs: Logs) -> None:
    long = b"x" * (3 * FRAME_BYTES)
    data = b"first\n" + long + b"\nlast\n"
    store(logs, data)
    logs.pack(RUN, len(data))
    logs.adopt(RUN)
    assert logs.read_lines(RUN, 1, 2, stored=len(data)) == [long, b"last"]
    assert logs.read_lines(RUN, 2, 2, stored=len(data)) == [b"last"]


def test_a_packed_log_is_read_by_any_zstd_program(logs: Logs, tmp_path: Path) -> None:
    data = text(10_000)
    store(logs, data)
    logs.pack(RUN, len(data))
    logs.adopt(RUN)
    (packed,) = tmp_path.rglob("*.zst")
    with packed.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == data
    assert packed.stat().st_size < len(data) / 5
    assert not list(tmp_path.rglob("*.log"))


def test_late_bytes_make_a_packed_log_plain_again(logs: Logs) -> None:
    data = text(9000)
    store(logs, data)
    logs.pack(RUN, len(data))
    logs.adopt(RUN)
    writer = logs.writer(RUN)
    writer.write(len(data), b"late\n", 9000)
    writer.close()
    assert logs.read(RUN, 0, 10**6) == data + b"late\n"
    assert logs.read_lines(RUN, 8999, 5, stored=len(data) + 5)[-1] == b"late"


def test_a_damaged_packed_log_is_named(logs: Logs, tmp_path: Path) -> None:
    store(logs, text(10))
    logs.pack(RUN, 800)
    logs.adopt(RUN)
    (packed,) = tmp_path.rglob("*.zst")
    packed.write_bytes(packed.read_bytes()[:-3])
    with pytest.raises(InfrastructureError, match="damaged"):
        logs.read(RUN, 0, 10)


def test_a_removed_log_leaves_no_file(logs: Logs, tmp_path: Path) -> None:
    store(logs, text(10_000))
    logs.pack(RUN, 1000)
    logs.remove(RUN)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b" ")), max_size=40),
    st.integers(1, 500),
    st.integers(0, 45),
)
def test_lines_are_those_of_the_text(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], chunk: int, first: int
) -> None:
    logs = Logs(tmp_path_factory.mktemp("logs"))
    data = b"".join(line + b"\n" for line in lines)
    store(logs, data, chunk)
    assert logs.read_lines(RUN, first, 7, stored=len(data)) == lines[first : first + 7]
    logs.pack(RUN, len(data))
    logs.adopt(RUN)
    assert logs.read_lines(RUN, first, 7, stored=len(data)) == lines[first : first + 7]
