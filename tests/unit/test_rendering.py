"""How moments, durations and log lines read on pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.web.rendering import LONGEST_SHOWN, Show, log_lines, shares

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SHOW = Show(NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-1, "0 ms"),
        (0.25, "250 ms"),
        (12.34, "12.3 s"),
        (59.99, "60.0 s"),
        (250, "4 min 10 s"),
        (3599.9, "1 h 0 min"),
        (11_100, "3 h 5 min"),
        (190_000, "2 d 4 h"),
    ],
)
def test_a_duration_reads_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert SHOW.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "just now"), (-9, "just now"), (59, "59 s ago"), (7300, "2 h ago"), (90_000, "1 d ago")],
)
def test_a_moment_reads_as_how_long_ago_it_was(seconds: float, text: str) -> None:
    assert SHOW.ago(NOW - timedelta(seconds=seconds)) == text


def test_a_measurement_has_no_trailing_zeros() -> None:
    assert SHOW.number(Decimal("12.5000000000")) == "12.5"
    assert SHOW.number(Decimal("1200")) == "1200"


def _one(raw: bytes) -> tuple[str, str, str]:
    (line,) = log_lines([raw], 7)
    assert line.number == 7
    return line.at, line.level, line.text


def test_a_stored_line_is_its_time_level_and_text() -> None:
    raw = b'- {"dt": "2026-01-01T10:11:12.123456+00:00", "lvl": "target", "msg": "a <b>"}\n'
    assert _one(raw) == ("10:11:12.123", "target", "a <b>")


def test_a_logged_result_reads_as_case_verdict_and_figure() -> None:
    message = {"definition": "0_s", "case": "c", "result": "pass", "measurement": "1.5"}
    raw = json.dumps({"dt": "x", "lvl": "results", "msg": {**message, "units": "s"}}).encode()
    assert _one(b"- " + raw)[2] == "0_s/c: pass 1.5 s"


@pytest.mark.parametrize("raw", [b"", b"- {", b"- []", b"- {}", b"- null", b"\xff\xfe", b"- 1e999"])
def test_a_line_of_another_form_is_shown_as_it_is(raw: bytes) -> None:
    assert _one(raw) == ("", "debug", raw.decode(errors="replace"))


def test_an_unknown_level_cannot_become_a_class_of_the_page() -> None:
    assert _one(b'- {"dt": "x", "lvl": "a b\\"", "msg": "m"}')[1] == "debug"


def test_a_long_line_is_cut_and_says_by_how_much() -> None:
    raw = json.dumps({"dt": "x", "lvl": "target", "msg": "x" * (LONGEST_SHOWN + 5)}).encode()
    text = _one(b"- " + raw)[2]
    assert text.endswith("(5 more characters in the raw log)")
    assert len(text) < LONGEST_SHOWN + 100


@given(st.binary(max_size=200))
def test_no_stored_line_can_break_a_page(raw: bytes) -> None:
    assert isinstance(_one(raw)[2], str)


def test_shares_fill_the_bar_in_order() -> None:
    first, second = shares([("good", 3), ("none", 0), ("bad", 1)])
    assert (first.x, first.width, first.kind) == (0, 750, "good")
    assert (second.x, second.width) == (750, 250)
    assert shares([]) == []
