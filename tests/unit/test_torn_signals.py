"""Signals that lines of the kernel's log tear apart on a shared console."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.actions.steps.signals import GroupCall, Repaired, RunnerSays, Signal, SignalScanner, Torn
from labq.domain.verdicts import Level, Verdict
from tests.unit.test_test_shell import END, EXIT, START, results, run, shell_session, verdict

CASE = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=disk RESULT=pass UNITS=MB/s MEASUREMENT=12.5>\r\n"
NOISE = b"[   12.345678] usb 1-1: new high-speed USB device -> hub\r\n"


def scan(*pieces: bytes) -> list[object]:
    """Return the tokens of these pieces."""
    scanner = SignalScanner()
    return [token for piece in pieces for token in scanner.feed(piece)]


@pytest.mark.parametrize("at", range(6, len(CASE) - 2))
def test_a_signal_is_whole_again_wherever_a_line_of_the_kernel_stands_in_it(at: int) -> None:
    (token,) = scan(CASE[:at] + NOISE + CASE[at:])
    assert isinstance(token, Repaired)
    assert [token.token] == scan(CASE)
    assert "usb 1-1" in token.text


def test_a_repaired_case_counts_and_the_log_warns_of_it() -> None:
    session = shell_session([START, CASE[:40], NOISE, NOISE, CASE[40:], END, EXIT])
    run(session)
    assert results(session)["0_smoke/disk"].units == "MB/s"
    warnings = [text for level, text in session.lines if level is Level.WARNING]
    assert len(warnings) == 1
    assert "usb 1-1" in warnings[0]


def test_a_torn_start_and_a_torn_end_of_the_runner_are_repaired() -> None:
    session = shell_session([START[:25] + NOISE + START[25:] + END + EXIT[:20] + NOISE + EXIT[20:]])
    run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.PASS


def test_what_is_not_whole_without_the_kernels_lines_is_torn() -> None:
    assert isinstance(scan(CASE[:40] + NOISE + b">")[0], Torn)
    odd = CASE.replace(b"RESULT=pass", b"RESULT=pa" + NOISE + b"ssed")
    assert isinstance(scan(odd)[0], Torn)


def test_a_kernel_line_that_is_not_over_is_waited_for() -> None:
    half = len(NOISE) // 2
    assert scan(CASE[:40] + NOISE[:half]) == []
    (token,) = scan(CASE[:40] + NOISE[:half], NOISE[half:], CASE[40:])
    assert isinstance(token, Repaired)


def test_text_that_a_test_chose_may_look_like_the_kernels() -> None:
    said = b"<LAVA_SIGNAL_TESTRAISE [   12.345678] oops>"
    assert scan(said) == [Signal("TESTRAISE", ("[", "12.345678]", "oops"))]
    named = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=at[12345.678901] RESULT=pass>"
    assert scan(named) == [
        Signal("TESTCASE", ("TEST_CASE_ID=at[12345.678901]", "RESULT=pass")),
    ]


def test_a_signal_in_the_kernels_own_line_is_read_and_the_one_around_it_is_torn() -> None:
    inner = b"[   12.345678] <LAVA_SIGNAL_STARTTC b>\r\n"
    tokens = scan(CASE[:40] + inner + CASE[40:])
    assert isinstance(tokens[0], Torn)
    assert tokens[1:] == [Signal("STARTTC", ("b",))]


_STAMPS = st.builds("[{:5d}.{:06d}]".format, st.integers(0, 99999), st.integers(0, 999999))
_TEXTS = st.text("abc =<>_[].:SIGNALpass", max_size=30)
_LINES = st.builds("{} {}\r\n".format, _STAMPS, _TEXTS)
_CASES = st.builds(
    "TESTCASE TEST_CASE_ID={} RESULT={}{}".format,
    st.text("abcdef-_.", min_size=1, max_size=10),
    st.sampled_from([verdict.value for verdict in Verdict]),
    st.sampled_from(["", " UNITS=ms MEASUREMENT=1.5", " UNITS=kB"]),
)


@given(st.lists(_CASES, max_size=5), st.data())
def test_splits_by_the_kernel_never_give_a_result_that_was_not_sent(
    cases: list[str], data: st.DataObject
) -> None:
    stream = "".join(f"<LAVA_SIGNAL_{case}>\r\n" for case in cases)
    for line in data.draw(st.lists(_LINES, max_size=4)):
        at = data.draw(st.integers(0, len(stream)))
        stream = stream[:at] + line + stream[at:]
    sent = Counter(tuple(case.split()[1:]) for case in cases)
    size = data.draw(st.integers(1, 200))
    raw = stream.encode()
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    found = [token.token if isinstance(token, Repaired) else token for token in scan(*pieces)]
    seen = [token.words for token in found if isinstance(token, Signal)]
    assert not Counter(seen) - sent


@given(st.integers(6, 24))
def test_calls_to_the_group_are_repaired_too(at: int) -> None:
    call = b"<LAVA_WAIT_ALL ready host>"
    (token,) = scan(call[:at] + NOISE + call[at:])
    assert isinstance(token, Repaired)
    assert token.token == GroupCall("WAIT_ALL", ("ready", "host"))


def test_the_runners_end_is_found_behind_a_signal_that_never_ended() -> None:
    tokens = scan(CASE[:40] + NOISE + b"other output\r\n", EXIT)
    assert isinstance(tokens[0], Torn)
    assert tokens[1:] == [RunnerSays("EXIT")]
