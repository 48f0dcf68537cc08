"""Which policy fits a job, what of it is due, and in which hours work is done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import ConfigurationError, InvalidInputError
from labq.domain.retention import (
    Kind,
    Rule,
    Subject,
    check_days,
    due_kinds,
    due_on,
    first_match,
)
from labq.domain.states import Outcome
from labq.domain.windows import is_open, parse_windows

ENDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB = Subject(device_type="qemu", outcome=Outcome.COMPLETE, audience=7, ended_at=ENDED)


def rule(name: str = "all", **values: object) -> Rule:
    defaults: dict[str, object] = {
        "id": 1,
        "name": name,
        "audiences": None,
        "device_type": None,
        "outcome": None,
        "days": {},
        "is_archived": True,
    }
    return Rule(**{**defaults, **values})  # type: ignore[arg-type]  # as the test wrote it


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"audiences": frozenset({7, 8})}, True),
        ({"audiences": frozenset({8})}, False),
        ({"audiences": frozenset()}, False),
        ({"device_type": "qemu"}, True),
        ({"device_type": "rk3399"}, False),
        ({"outcome": Outcome.COMPLETE}, True),
        ({"outcome": Outcome.INCOMPLETE}, False),
        ({"device_type": "qemu", "outcome": Outcome.INCOMPLETE}, False),
    ],
)
def test_a_policy_fits_when_all_that_it_names_does(values: dict[str, object], fits: bool) -> None:
    assert (first_match([rule(**values)], JOB) is not None) is fits


def test_the_first_policy_that_fits_is_taken() -> None:
    rules = [rule("other", device_type="x"), rule("first"), rule("second")]
    found = first_match(rules, JOB)
    assert found is not None
    assert found.name == "first"
    assert first_match([], JOB) is None


def test_data_are_due_from_the_beginning_of_a_utc_day_on() -> None:
    assert due_on(ENDED, 30) == date(2026, 4, 1)
    late = datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=3)))
    assert due_on(late, 1) == date(2026, 3, 3)


@given(days=st.integers(1, 36_500), hours=st.integers(0, 24 * 400))
def test_nothing_is_due_before_its_whole_age_has_passed(days: int, hours: int) -> None:
    now = ENDED + timedelta(hours=hours)
    if due_on(ENDED, days) <= now.date():
        assert now - ENDED >= timedelta(days=days)
    else:
        assert now - ENDED < timedelta(days=days + 1)


def test_a_whole_job_takes_the_rest_along() -> None:
    wanted = rule(days={Kind.LOGS: 10, Kind.JOBS: 20})
    present = {Kind.LOGS, Kind.RESULTS, Kind.JOBS}
    assert due_kinds(wanted, ENDED, present, date(2026, 3, 11)) == ()
    assert due_kinds(wanted, ENDED, present, date(2026, 3, 12)) == (Kind.LOGS,)
    assert due_kinds(wanted, ENDED, present, date(2026, 3, 22)) == (Kind.JOBS,)
    assert due_kinds(wanted, ENDED, {Kind.RESULTS}, date(2026, 4, 1)) == ()


def test_ages_out_of_range_and_past_the_whole_job_are_all_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_days({Kind.LOGS: 0, Kind.RESULTS: 40_000, Kind.PLANS: 31, Kind.JOBS: 30})
    named = [problem.path for problem in caught.value.problems]
    assert named == ["days.logs", "days.results", "days.results", "days.plans"]
    check_days({Kind.LOGS: 30, Kind.JOBS: 30})


@pytest.mark.parametrize(
    ("hour", "expected"), [(4, True), (5, False), (12, True), (13, False), (22, True), (21, False)]
)
def test_a_window_may_go_over_midnight(hour: int, expected: bool) -> None:
    windows = parse_windows("22:00-05:00, 12:00-13:00")
    assert is_open(windows, ENDED.replace(hour=hour)) is expected


def test_without_windows_work_is_done_at_any_time() -> None:
    assert is_open(parse_windows(""), ENDED)


@pytest.mark.parametrize("text", ["5-6", "22:00", "25:00-26:00", "22:00-05:00-06:00", "a-b"])
def test_a_window_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no window of the day"):
        parse_windows(text)
