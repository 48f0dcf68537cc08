"""The form of log lines and what is bound to them."""

from __future__ import annotations

import logging
import sys

from labq.log import LineFormatter, bound, context


def _record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("labq", logging.WARNING, __file__, 1, message, args, None)


def test_a_record_is_one_line_with_its_part_and_context() -> None:
    with bound(job=7, device="board\n1"):
        line = LineFormatter("web").format(_record("two\nlines %s", "\x1b[31m"))
    assert line.endswith("WARNING web job=7 device=board\\n1 two\\nlines \\x1b[31m")
    assert "\n" not in line


def test_the_context_ends_with_its_block_and_nests() -> None:
    with bound(job=1, run=None):
        with bound(run=2):
            assert context() == {"job": "1", "run": "2"}
        assert context() == {"job": "1"}
    assert context() == {}


def test_a_traceback_follows_its_line_indented() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        record = _record("failed")
        record.exc_info = sys.exc_info()
    first, *rest = LineFormatter("web").format(record).split("\n")
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].endswith("ValueError: bad")
