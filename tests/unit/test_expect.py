"""The console engine."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.hw.console import ConsoleClosedError
from labq.hw.escapes import EscapeStripper
from labq.hw.expect import STEP_BYTES, Expect, alternative, required_text
from labq.hw.fake import FakeConsole, Say

LATER = Deadline(60.0)


def test_the_earliest_match_wins_whatever_the_order_of_the_patterns() -> None:
    expect = Expect(FakeConsole([b"one two three"]))
    found = expect.wait([alternative("b", "three"), alternative("a", "two")], LATER)
    assert found is not None
    assert (found.name, found.before) == ("a", b"one ")


def test_what_was_matched_is_consumed_and_the_rest_is_kept() -> None:
    expect = Expect(FakeConsole([b"login: root\r\n# "]))
    assert expect.wait([alternative("login", "login:")], LATER)
    assert expect.wait([alternative("login", "login:"), alternative("prompt", "# $")], LATER)
    assert expect.wait([alternative("prompt", "# $")], Deadline(61.0)) is None


def test_a_match_may_be_torn_over_many_chunks() -> None:
    expect = Expect(FakeConsole([bytes([byte]) for byte in b"noise Starting kernel ..."]))
    assert expect.wait([alternative("start", "Starting kernel")], LATER)


def test_a_deadline_ends_a_wait_at_its_moment() -> None:
    expect = Expect(FakeConsole([Say(b"x", 5.0), Say(b"prompt", 100.0)]))
    assert expect.wait([alternative("prompt", "prompt")], LATER) is None
    assert expect.clock == 60.0


def test_silence_ends_a_wait_but_output_does_not() -> None:
    expect = Expect(FakeConsole([Say(b".", 9.0), Say(b".", 9.0), Say(b"late", 11.0)]))
    assert expect.wait([alternative("late", "late")], LATER, silence=10.0) is None
    assert expect.clock == 28.0
    assert expect.wait([alternative("late", "late")], LATER, silence=10.0)


def test_the_end_of_the_stream_is_told() -> None:
    expect = Expect(FakeConsole([b"bye"], closes=True))
    with pytest.raises(ConsoleClosedError):
        expect.wait([alternative("never", "never")], LATER)


def test_escape_sequences_do_not_hide_a_prompt() -> None:
    expect = Expect(FakeConsole([b"\x1b[1;32mroot@bo", b"ard\x1b", b"[0m:~# \x1b[6n"]))
    assert expect.wait([alternative("prompt", r"root@board:~# $")], LATER)


def test_a_prompt_at_the_end_is_not_seen_within_a_line() -> None:
    expect = Expect(
        FakeConsole([b"\n" + b"x" * (STEP_BYTES - 3) + b"# y" + b"x" * 20_000 + b"\n# "])
    )
    found = expect.wait([alternative("prompt", "# $")], LATER)
    assert found is not None
    assert found.before.endswith(b"x\n")


def test_a_bad_pattern_is_the_submitters_error() -> None:
    with pytest.raises(JobError, match=r"bad regular expression '\('"):
        alternative("bad", "(")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("login:", b"login:"),
        (r"root@(.*):[/~]#", b"root@"),
        (r"\(initramfs\)", b"(initramfs)"),
        ("colou?r=", b"colo"),
        ("a|b", b""),
        (r"\d+ ms", b" ms"),
        (".*", b""),
        ("(?i)LOGIN", b""),
        (r"x{2}yz", b"yz"),
    ],
)
def test_text_that_every_match_contains_is_found(source: str, text: bytes) -> None:
    assert required_text(source.encode()) == text


@given(st.lists(st.binary(max_size=20), max_size=30))
def test_text_without_escapes_passes_unchanged(chunks: list[bytes]) -> None:
    plain = [chunk.replace(b"\x1b", b"") for chunk in chunks]
    stripper = EscapeStripper()
    assert b"".join(stripper.feed(chunk) for chunk in plain) == b"".join(plain)


@given(st.data())
def test_escapes_are_stripped_wherever_they_are_torn(data: st.DataObject) -> None:
    parts = st.sampled_from(
        [b"\x1b[6n", b"\x1b[0;1m", b"\x1b]0;title\x07", b"\x1b(B", b"text", b"#"]
    )
    pieces = data.draw(st.lists(parts, max_size=12))
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    stripper = EscapeStripper()
    edges = [0, *cuts, len(stream)]
    fed = b"".join(stripper.feed(stream[a:b]) for a, b in itertools.pairwise(edges))
    assert fed == b"".join(piece for piece in pieces if not piece.startswith(b"\x1b"))


@given(st.integers(1, 5000), st.integers(0, 9000))
def test_a_match_is_found_wherever_chunks_end(size: int, before: int) -> None:
    stream = b"a\n" * (before // 2) + b"<needle 42>" + b"b" * 600
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    expect = Expect(FakeConsole(chunks))
    assert expect.wait([alternative("x", r"<needle [0-9]+>")], LATER)


@pytest.mark.parametrize("pattern", ["never here", r"\w+@host", r".*# $", r"[^#]*#"])
@pytest.mark.timeout(20)
def test_a_megabyte_without_line_end_is_searched_in_bounded_time(pattern: str) -> None:
    expect = Expect(FakeConsole([b"A" * 65536] * 16))
    assert expect.wait([alternative("x", pattern)], LATER) is None
