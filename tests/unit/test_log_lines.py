"""Journal records become log lines that LAVA's clients can read."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labq.bench.log_lines import LONGEST_LINE, TOO_LONG, LogLines
from labq.benchlink.records import Kind, Record

WALL = 1_767_225_600_123_456


def a_record(kind: Kind, data: bytes, channel: str = "main") -> Record:
    return Record(0, 1, WALL, 0.0, kind, channel, 0, 0, data)


def lines_of(*records: Record, masks: tuple[str, ...] = ()) -> list[dict[str, object]]:
    converter = LogLines("main", masks)
    text = b"".join(converter.feed(record) for record in records)
    found = [json.loads(line[2:]) for line in text.decode().split("\n")[:-1]]
    assert converter.count == len(found)
    assert yaml.safe_load(text.decode() or "[]") == found
    return found


def messages(*output: bytes, masks: tuple[str, ...] = ()) -> list[object]:
    records = [a_record(Kind.OUTPUT, data) for data in output]
    return [line["msg"] for line in lines_of(*records, a_record(Kind.END, b"{}"), masks=masks)]


def test_a_line_has_lavas_form():
    text = LogLines("main", ()).feed(a_record(Kind.OUTPUT, b"Linux version 6\r\n"))
    assert text == (
        b'- {"dt": "2026-01-01T00:00:00.123456+00:00", "lvl": "target", "msg": "Linux version 6"}\n'
    )


def test_another_channel_is_feedback_with_its_name():
    (line,) = lines_of(a_record(Kind.OUTPUT, b"x\n", "debug"))
    assert (line["lvl"], line["ns"]) == ("feedback", "debug")


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ((b"a\r\nb\r\r\nc\n\rd\n",), ["a", "b", "c", "d"]),
        ((b"10%\r20%\r\n",), ["10%", "20%"]),
        ((b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x1b(B\x1b[6n\n",), ["red x"]),
        ((b"\x1b]noise\x1b_more\n\x07",), ["noisemore", ""]),
        ((b"a\x00b\x07c\x7fd\te\n",), ["abcd\te"]),
        ((b"ha", b"lf\nrest"), ["half", "rest"]),
        ((b"a\r", b"\nb\n"), ["a", "b"]),
        ((b"\n\n",), ["", ""]),
        (("ü€😀".encode()[:3], "ü€😀".encode()[3:] + b"\n"), ["ü€😀"]),
        ((b"\xff\xfe\n",), ["��"]),
        (("a\x85b\u2028c\n".encode(),), ["abc"]),
    ],
)
def test_console_text_is_split_and_cleaned(output, shown):
    assert messages(*output) == shown


def test_a_line_that_is_too_long_is_replaced_whatever_its_pieces():
    assert messages(b"x" * LONGEST_LINE + b"\n") == ["x" * LONGEST_LINE]
    assert messages(*[b"x" * 9999] * 1000, b"\ny\n") == [TOO_LONG, "y"]


def test_secrets_are_masked_across_pieces():
    assert messages(b"key=top", b"secret!\n", masks=("topsecret", "top")) == ["key=[MASKED]!"]


def test_secrets_are_masked_in_input_logs_and_results():
    log = {"lvl": "info", "msg": "token topsecret"}
    result = {
        "suite": "s", "case": "topsecret", "verdict": "pass", "measurement": None, "units": "",
        "test_set": None, "start_line": 1, "end_line": 2, "details": {"path": ["topsecret"]},
    }  # fmt: skip
    found = lines_of(
        a_record(Kind.INPUT, b"echo topsecret\n"),
        a_record(Kind.LOG, json.dumps(log).encode()),
        a_record(Kind.RESULT, json.dumps({"e": result}).encode()),
        masks=("topsecret",),
    )
    assert [line["lvl"] for line in found] == ["input", "info", "results"]
    assert found[0]["msg"] == "echo [MASKED]\n"
    assert found[2]["msg"] == {
        "definition": "s", "case": "[MASKED]", "result": "pass", "starttc": 1, "endtc": 2,
        "path": ["[MASKED]"],
    }  # fmt: skip


def test_an_open_line_stands_before_the_input_that_answers_it():
    found = lines_of(a_record(Kind.OUTPUT, b"login: "), a_record(Kind.INPUT, b"root\n"))
    assert [(line["lvl"], line["msg"]) for line in found] == [
        ("target", "login: "),
        ("input", "root\n"),
    ]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_how_bytes_are_cut_does_not_change_the_lines(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert messages(*pieces) == messages(data)
