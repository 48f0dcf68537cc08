"""TFTP: which packets a client gets, whatever it asks for and whatever gets lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.netboot import packets
from labq.netboot.packets import Abort, Ack, BadPacketError, Fault
from labq.netboot.transfer import MOST_REPEATS, WIDEST_WINDOW, Transfer


def _read(handle: int, size: int, options: Mapping[str, str], lost: Iterator[bool]) -> bytes:
    """Fetch a file as a client would of which packets get lost; return what it has then."""
    transfer = Transfer(handle, size, options)
    got, expected, incoming = bytearray(), 1, transfer.first()
    while not transfer.is_done:
        answer = None
        for packet in incoming:
            if next(lost):
                continue
            kind, number = packet[1], int.from_bytes(packet[2:4], "big")
            if kind == packets.Kind.OPTIONS:
                answer = 0
            else:
                if number == expected % 65536:
                    got += packet[4:]
                    expected += 1
                answer = (expected - 1) % 65536
        if answer is None or next(lost):
            repeated = transfer.repeat()
            assert repeated is not None
            transfer.repeats = 0
            incoming = repeated
        else:
            incoming = transfer.take(answer)
    return bytes(got)


def _never() -> Iterator[bool]:
    while True:
        yield False


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("tftp") / "file"
    path.write_bytes(os.urandom(700_000))
    opened = os.open(path, os.O_RDONLY)
    yield opened
    os.close(opened)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 70_000])
@pytest.mark.parametrize("window", ["", "1", "4", "64"])
def test_a_file_arrives_whole_at_any_size_and_window(handle: int, size: int, window: str) -> None:
    options = {"windowsize": window} if window else {}
    assert _read(handle, size, options, _never()) == os.pread(handle, size, 0)


def test_block_numbers_go_on_with_zero(handle: int) -> None:
    size = 8 * 66_000
    assert _read(handle, size, {"blksize": "8"}, _never()) == os.pread(handle, size, 0)


@given(st.data(), st.integers(0, 5000), st.sampled_from(["1", "2", "8"]))
def test_whatever_gets_lost_the_file_arrives_once_and_in_order(
    handle: int, data: st.DataObject, size: int, window: str
) -> None:
    losses = data.draw(st.lists(st.booleans(), max_size=60))
    lost = iter([*losses, *[False] * 5000])
    options = {"windowsize": window, "blksize": "100"}
    assert _read(handle, size, options, lost) == os.pread(handle, size, 0)


def test_an_old_acknowledgement_sends_nothing_twice(handle: int) -> None:
    transfer = Transfer(handle, 5000, {})
    transfer.first()
    assert len(transfer.take(1)) == 1
    assert transfer.take(1) == []
    assert transfer.take(0) == []


def test_a_window_of_which_the_first_block_is_missed_is_sent_again_once(handle: int) -> None:
    transfer = Transfer(handle, 50_000, {"windowsize": "4"})
    transfer.first()
    window = transfer.take(0)
    assert transfer.take(0) == window
    assert transfer.take(0) == []


def test_a_client_that_is_silent_is_given_up(handle: int) -> None:
    transfer = Transfer(handle, 5000, {})
    transfer.first()
    assert all(transfer.repeat() for _ in range(MOST_REPEATS))
    assert transfer.repeat() is None


def test_only_options_that_make_sense_are_agreed_on() -> None:
    asked = {"blksize": "70000", "timeout": "0", "tsize": "0", "windowsize": "x", "odd": "1"}
    assert packets.agree(asked, 99) == {"blksize": packets.LARGEST_BLOCK, "tsize": 99}
    assert packets.agree({"blksize": "7", "timeout": "3"}, 99) == {"timeout": 3}


def test_a_window_is_no_wider_than_boot_loaders_stand(handle: int) -> None:
    assert Transfer(handle, 10, {"windowsize": "65535"}).window == WIDEST_WINDOW


def test_a_request_is_read_with_options_in_any_case() -> None:
    packet = b"\0\1boot/Image\0OCTET\0BlkSize\x001468\0tsize\x000\0"
    found = packets.parse_request(packet)
    assert (found.path, found.options) == ("boot/Image", {"blksize": "1468", "tsize": "0"})


@pytest.mark.parametrize(
    ("packet", "fault"),
    [
        (b"", Fault.ILLEGAL),
        (b"\0\1", Fault.ILLEGAL),
        (b"\0\1file\0octet", Fault.ILLEGAL),
        (b"\0\1file\0mail\0", Fault.ILLEGAL),
        (b"\0\1" + b"x" * 2000 + b"\0octet\0", Fault.ILLEGAL),
        (b"\0\2file\0octet\0", Fault.ACCESS),
        (b"\0\4\0\1", Fault.UNKNOWN_TRANSFER),
    ],
    ids=["empty", "no words", "no end", "mode", "long", "write", "ack"],
)
def test_what_is_no_request_is_refused_with_its_code(packet: bytes, fault: Fault) -> None:
    with pytest.raises(BadPacketError) as caught:
        packets.parse_request(packet)
    assert caught.value.fault is fault


def test_answers_are_read() -> None:
    assert packets.parse_answer(b"\0\4\1\2") == Ack(258)
    assert packets.parse_answer(b"\0\5\0\x08no tsize\0") == Abort(8, "no tsize")
    with pytest.raises(BadPacketError, match="neither"):
        packets.parse_answer(b"\0\3\0\1data")
