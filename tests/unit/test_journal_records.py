"""Records come back from bytes, and a torn or damaged tail is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labq.benchlink.records import HEADER_BYTES, Kind, Record, pack, parse, size_of, whole_bytes

DATA = st.binary(max_size=200)


def a_journal(pieces: list[bytes]) -> bytes:
    position, packed = 0, b""
    for sequence, data in enumerate(pieces, start=1):
        record = Record(position, sequence, 5, 1.5, Kind.OUTPUT, "main", 2, 7, data)
        packed += pack(record)
        position += size_of(record)
    return packed


@given(st.lists(DATA, max_size=8))
def test_all_records_come_back(pieces):
    packed = a_journal(pieces)
    found = list(parse(packed, 100))
    assert [record.data for record in found] == pieces
    assert whole_bytes(packed, 0) == len(packed)
    assert all(record.channel == "main" and record.step == 2 for record in found)
    assert sum(map(size_of, found)) == len(packed)
    assert [record.position for record in found][:1] == [100][: len(found)]


@given(st.lists(DATA, min_size=1, max_size=8), st.data())
def test_a_torn_tail_ends_at_a_record(pieces, data):
    packed = a_journal(pieces)
    length = data.draw(st.integers(0, len(packed)))
    whole = whole_bytes(packed[:length], 0)
    assert whole <= length
    kept = list(parse(packed[:whole], 0))
    assert [record.data for record in kept] == pieces[: len(kept)]
    assert len(kept) == len(pieces) or length < whole + HEADER_BYTES + 4 + len(pieces[len(kept)])


@given(st.lists(DATA, min_size=1, max_size=8), st.data())
def test_a_damaged_byte_is_not_taken_for_a_record(pieces, data):
    packed = bytearray(a_journal(pieces))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 0x55
    assert whole_bytes(bytes(packed), 0) <= place


def test_a_record_out_of_sequence_ends_the_journal():
    packed = a_journal([b"a", b"b"])
    half = len(packed) // 2
    assert whole_bytes(packed[:half] + packed[:half], 0) == half
