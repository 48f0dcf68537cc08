"""Monitors on a scripted console: what a device prints by itself becomes results."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.test import monitors
from labq.domain.errors import TestError
from labq.domain.verdicts import Verdict
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

PATTERN = r"(?P<test_case_id>[\w ]+) - (?P<result>PASS|FAIL|[a-z]+)"
TIMES = r"(?P<test_case_id>\w+): (?P<measurement>\d+)(?P<units>\w+)?"
FIXUPS = {"PASS": "pass", "FAIL": "fail"}


def _session(printed: Sequence[Say | bytes], **item: object) -> FakeSession:
    monitor = {"name": "Ztest", "start": "BEGIN", "end": "THE END", "pattern": PATTERN}
    made = step("monitors", {"monitors": [{**monitor, "fixupdict": FIXUPS, **item}]})
    console = FakeConsole(printed)
    return FakeSession(plan([made]), made, consoles={"serial": console})


def _run(session: FakeSession) -> None:
    monitors.run(session, monitors.MonitorsParameters.model_validate(session.step.parameters))


def _verdicts(session: FakeSession) -> dict[tuple[str, str], Verdict]:
    return {(one.suite, one.case): one.verdict for one in session.results}


def test_results_between_start_and_end_count_in_a_suite_of_the_monitors_lower_case_name() -> None:
    session = _session(
        [
            b"early - PASS\r\nBEGIN\r\nMemory Pool - PASS\r\n",
            b"msgq - FAIL\r\nTHE END\r\nlate - PASS",
        ]
    )
    _run(session)
    assert _verdicts(session) == {
        ("ztest", "memory_pool"): Verdict.PASS,
        ("ztest", "msgq"): Verdict.FAIL,
    }


def test_a_number_that_arrives_in_pieces_is_read_whole() -> None:
    session = _session([b"BEGIN\r\nboot: 12", Say(b"34ms\r\n", 0.2), b"THE END\r\n"], pattern=TIMES)
    _run(session)
    (case,) = session.results
    assert (case.case, case.measurement, case.units) == ("boot", Decimal(1234), "ms")
    assert case.verdict is Verdict.PASS


def test_a_number_that_nothing_follows_is_taken_after_a_while() -> None:
    session = _session([b"BEGIN\r\nboot: 12", Say(b"\r\nTHE END\r\n", 20)], pattern=TIMES)
    _run(session)
    assert [one.measurement for one in session.results] == [Decimal(12)]


def test_an_unknown_word_is_an_unknown_result() -> None:
    session = _session([b"BEGIN\r\nodd - maybe\r\nTHE END\r\n"])
    _run(session)
    assert _verdicts(session) == {("ztest", "odd"): Verdict.UNKNOWN}
    assert any("'maybe' is none of" in text for _, text in session.lines)


def test_a_number_that_is_none_ends_the_test() -> None:
    pattern = r"(?P<test_case_id>\w+): (?P<measurement>\w+)"
    session = _session([b"BEGIN\r\nboot: fast\r\nTHE END\r\n"], pattern=pattern)
    with pytest.raises(TestError, match="Invalid measurement 'fast'"):
        _run(session)


def test_cases_that_are_expected_and_do_not_come_fail() -> None:
    session = _session([b"BEGIN\r\na - PASS\r\nb - PASS\r\nTHE END\r\n"], expected=["a", "c"])
    _run(session)
    assert _verdicts(session) == {
        ("ztest", "a"): Verdict.PASS,
        ("ztest", "b"): Verdict.FAIL,
        ("ztest", "c"): Verdict.FAIL,
    }


def test_an_end_that_never_comes_is_a_timeout_that_says_what_was_awaited() -> None:
    session = _session([b"BEGIN\r\na - PASS\r\nhanging"], expected=["a", "b"])
    with pytest.raises(TestTimeoutError, match=r"no end 'THE END' or result .*hanging"):
        _run(session)
    assert _verdicts(session)["ztest", "b"] is Verdict.FAIL
