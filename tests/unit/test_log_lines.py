"""Raw lines of a log as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labq.services.job_log import lines_as_json

RECORD = {"dt": "2026-11-20T09:00:00", "lvl": "target", "msg": "hello"}


def test_lines_of_the_right_form_pass_as_they_are() -> None:
    line = b"- " + json.dumps(RECORD).encode()
    assert json.loads(lines_as_json([line, line])) == [RECORD, RECORD]
    assert lines_as_json([]) == b"[]"


def test_a_bad_line_becomes_a_record_and_spoils_no_other() -> None:
    line = b"- " + json.dumps(RECORD).encode()
    found = json.loads(lines_as_json([line, b"- {}, {}", b"\xff", line]))
    assert found[0] == found[3] == RECORD
    assert [each["msg"] for each in found[1:3]] == ["- {}, {}", "\ufffd"]


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=5))
def test_whatever_the_lines_are_each_gives_one_record(lines: list[bytes]) -> None:
    records = json.loads(lines_as_json(lines))
    assert len(records) == len(lines)
    assert all(isinstance(record, dict) for record in records)
