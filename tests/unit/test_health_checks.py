"""When a device is due for its health check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labq.domain.health_checks import (
    PAUSE,
    CheckHistory,
    CheckRule,
    Denominator,
    describe_next,
    why_due,
)
from labq.domain.states import DeviceHealth

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAILY = CheckRule()
EACH_FIVE = CheckRule(frequency=5, denominator=Denominator.JOBS)


def history(health: DeviceHealth, hours: float | None = 1, jobs: int = 0) -> CheckHistory:
    checked_at = None if hours is None else NOW - timedelta(hours=hours)
    return CheckHistory(health=health, checked_at=checked_at, jobs_since=jobs)


@pytest.mark.parametrize(
    "health", [DeviceHealth.BAD, DeviceHealth.MAINTENANCE, DeviceHealth.RETIRED]
)
def test_a_device_out_of_use_is_never_due(health: DeviceHealth) -> None:
    assert why_due(DAILY, history(health, None), NOW) is None
    assert describe_next(DAILY, history(health), NOW) == f"none while it is {health}"


@pytest.mark.parametrize("health", [DeviceHealth.UNKNOWN, DeviceHealth.LOOPING])
def test_an_unknown_or_looping_device_is_due_whatever_the_rule_says(health: DeviceHealth) -> None:
    for rule in (DAILY, EACH_FIVE):
        assert why_due(rule, history(health), NOW) == f"its health is {health}"
        assert describe_next(rule, history(health), NOW) == "now"


def test_a_device_that_was_never_checked_is_due() -> None:
    assert why_due(DAILY, history(DeviceHealth.GOOD, None), NOW) == "it was never checked"


def test_checks_of_one_device_have_a_pause_between_them() -> None:
    just_now = CheckHistory(health=DeviceHealth.LOOPING, checked_at=NOW - PAUSE / 2)
    assert why_due(DAILY, just_now, NOW) is None
    assert why_due(DAILY, just_now, NOW + PAUSE) == "its health is looping"
    assert describe_next(DAILY, just_now, NOW) == "at 2026-11-20 10:00:05 UTC"


@pytest.mark.parametrize(("hours", "is_due"), [(23.9, False), (24, True), (100, True)])
def test_a_good_device_is_due_after_hours(hours: float, is_due: bool) -> None:
    assert (why_due(DAILY, history(DeviceHealth.GOOD, hours, jobs=99), NOW) is not None) == is_due


@pytest.mark.parametrize(("jobs", "is_due"), [(4, False), (5, True), (6, True)])
def test_a_good_device_is_due_after_jobs(jobs: int, is_due: bool) -> None:
    device = history(DeviceHealth.GOOD, hours=1000, jobs=jobs)
    assert (why_due(EACH_FIVE, device, NOW) is not None) == is_due


def test_the_next_check_is_told_in_words() -> None:
    good = history(DeviceHealth.GOOD, hours=1, jobs=3)
    assert describe_next(DAILY, good, NOW) == "at 2026-11-21 09:00 UTC"
    assert describe_next(EACH_FIVE, good, NOW) == "after 2 more jobs"
