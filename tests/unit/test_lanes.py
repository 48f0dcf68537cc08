"""Changes are answered before reads, reads are not held up for long."""

from __future__ import annotations

from math import inf

import pytest

from labq.web.lanes import READS, SLOW_SECONDS, YIELD_SECONDS, Lanes, Turn

THREADS = 8


def _lanes(*, reads: int = 0, changes: int = 0, now: float = 0.0) -> Lanes[str]:
    lanes = Lanes[str](THREADS)
    for number in range(reads):
        lanes.add(f"read {number}", now, is_read=True)
    for number in range(changes):
        lanes.add(f"change {number}", now, is_read=False)
    return lanes


def _take(lanes: Lanes[str], now: float = 0.0) -> Turn[str]:
    found = lanes.take(now)
    assert isinstance(found, Turn), found
    return found


def test_a_change_goes_before_reads_that_came_earlier() -> None:
    lanes = _lanes(reads=2, changes=1)
    assert _take(lanes).task == "change 0"


def test_reads_go_in_the_order_in_which_they_came() -> None:
    lanes = _lanes(reads=2)
    assert [_take(lanes).task for _ in range(2)] == ["read 0", "read 1"]


def test_few_reads_are_at_work_at_once() -> None:
    lanes = _lanes(reads=READS + 1)
    first, *_ = [_take(lanes) for _ in range(READS)]
    assert lanes.take(0.04) == pytest.approx(SLOW_SECONDS - 0.04)
    lanes.end(first)
    assert _take(lanes, 0.04).task == f"read {READS}"


def test_slow_reads_hold_up_nobody_but_leave_a_thread_for_a_change() -> None:
    lanes = _lanes(reads=THREADS)
    for number in range(THREADS - 1):
        _take(lanes, number * SLOW_SECONDS)
    assert lanes.take(100.0) == inf
    lanes.add("change", 100.0, is_read=False)
    assert _take(lanes, 100.0).task == "change"


def test_a_read_waits_for_the_end_of_a_change() -> None:
    lanes = _lanes(reads=1, changes=1)
    change = _take(lanes)
    assert lanes.take(0.01) == pytest.approx(YIELD_SECONDS - 0.01)
    lanes.end(change)
    assert _take(lanes, 0.01).task == "read 0"


def test_changes_without_end_do_not_starve_a_read() -> None:
    lanes = _lanes(reads=1)
    now = 0.0
    while now < YIELD_SECONDS:
        lanes.add("change", now, is_read=False)
        change = _take(lanes, now)
        assert not isinstance(lanes.take(now), Turn)
        now += YIELD_SECONDS / 4
        lanes.end(change)
        lanes.add("change", now, is_read=False)
        _take(lanes, now)
        lanes.at_work.pop()
    lanes.add("long change", now, is_read=False)
    _take(lanes, now)
    assert _take(lanes, now).task == "read 0"


def test_who_has_nothing_to_do_waits_to_be_woken() -> None:
    assert _lanes().take(0.0) == inf
