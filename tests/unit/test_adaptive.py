"""Limits under strain: every rule alone, and any sequence of samples."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from labq.bench.adaptive import (
    FIRST_GAP_SECONDS,
    FORGET_SECONDS,
    GROW_SECONDS,
    RECOVER_SECONDS,
    SETTLE_SECONDS,
    SUFFER_SECONDS,
    Bounds,
    Limit,
    Suffering,
    Use,
    adapt,
    fit,
    judge,
)
from labq.bench.strain import SEVERE, Strain

BOUNDS = Bounds(floor=1, start=4, ceiling=8)
CALM = Strain(0.2, "all is quiet")
HELD = Strain(0.95, "busy")
STRAINED = Strain(1.2, "3.6 tasks want each CPU")
SUFFERING = Strain(SEVERE, "9 tasks want each CPU")
FULL = Use(used=4, waiting=3)
LONG_AGO = -100.0


def a_limit(value: int = 4, gap: float = 0.0) -> Limit:
    return Limit(value=value, gap=gap, grown_at=LONG_AGO, shrunk_at=LONG_AGO)


def test_a_calm_host_that_is_waited_for_gets_one_more_at_a_time():
    grown = adapt(a_limit(), BOUNDS, CALM, FULL, now=0.0)
    assert grown.value == 5
    assert adapt(grown, BOUNDS, CALM, FULL, now=GROW_SECONDS / 2).value == 5
    assert adapt(grown, BOUNDS, CALM, FULL, now=GROW_SECONDS).value == 6


def test_a_limit_that_nobody_needs_does_not_grow_past_its_start():
    idle = Use(used=0, waiting=0)
    assert adapt(a_limit(4), BOUNDS, CALM, idle, now=0.0).value == 4
    assert adapt(a_limit(2), BOUNDS, CALM, idle, now=0.0).value == 3


def test_a_limit_that_nobody_needs_any_more_goes_back_to_its_start_slowly():
    idle = Use(used=1, waiting=0)
    limit = replace(a_limit(6), grown_at=0.0)
    assert adapt(limit, BOUNDS, CALM, idle, now=FORGET_SECONDS / 2).value == 6
    limit = adapt(limit, BOUNDS, CALM, idle, now=FORGET_SECONDS)
    assert limit.value == 5
    limit = adapt(limit, BOUNDS, CALM, idle, now=2 * FORGET_SECONDS)
    assert adapt(limit, BOUNDS, CALM, idle, now=9 * FORGET_SECONDS).value == 4


def test_strain_takes_a_quarter_and_names_its_reason():
    shrunk = adapt(a_limit(8), BOUNDS, STRAINED, Use(8, 1), now=0.0)
    assert shrunk.value == 6
    assert shrunk.reason == "shrunk: 3.6 tasks want each CPU"


def test_a_smaller_limit_is_given_time_to_take_effect():
    shrunk = adapt(a_limit(8), BOUNDS, STRAINED, Use(8, 1), now=0.0)
    assert adapt(shrunk, BOUNDS, STRAINED, Use(6, 1), now=SETTLE_SECONDS / 2).value == 6
    assert adapt(shrunk, BOUNDS, STRAINED, Use(6, 1), now=SETTLE_SECONDS).value == 4
    assert adapt(shrunk, BOUNDS, SUFFERING, Use(6, 1), now=SETTLE_SECONDS / 2).value == 4


def test_a_limit_waits_for_steps_above_it_to_end_before_it_shrinks_again():
    assert adapt(a_limit(4), BOUNDS, SUFFERING, Use(used=6, waiting=0), now=0.0).value == 4


def test_starts_are_kept_apart_the_longer_the_strain_lasts_and_no_longer_when_it_is_over():
    limit = a_limit(1)
    gaps = []
    for _ in range(4):
        limit = adapt(limit, BOUNDS, STRAINED, FULL, now=0.0)
        gaps.append(limit.gap)
    assert gaps == [FIRST_GAP_SECONDS * factor for factor in (1, 2, 4, 8)]
    for _ in range(4):
        limit = adapt(limit, BOUNDS, HELD, FULL, now=0.0)
    assert limit.gap == 0.0


def test_between_calm_and_strain_a_limit_stays():
    assert adapt(a_limit(), BOUNDS, HELD, FULL, now=0.0).value == 4


def test_changed_bounds_take_a_limit_with_them():
    assert fit(a_limit(7), Bounds(floor=1, start=1, ceiling=2)).value == 2
    assert fit(a_limit(1), Bounds(floor=3, start=4, ceiling=8)).value == 3


def test_a_moment_of_severe_strain_is_no_overload():
    first = judge(Suffering(), SUFFERING, now=0.0)
    assert not first.is_overloaded
    assert not judge(first, CALM, now=SUFFER_SECONDS).is_overloaded
    lasting = judge(first, SUFFERING, now=SUFFER_SECONDS)
    assert lasting.is_overloaded
    assert lasting.reason == SUFFERING.reason


def test_an_overload_ends_only_when_it_has_been_fine_for_a_while():
    state = judge(judge(Suffering(), SUFFERING, now=0.0), SUFFERING, now=SUFFER_SECONDS)
    state = judge(state, CALM, now=10.0)
    state = judge(state, STRAINED, now=11.0)
    state = judge(state, CALM, now=12.0)
    assert judge(state, CALM, now=10.0 + RECOVER_SECONDS).is_overloaded
    assert not judge(state, CALM, now=12.0 + RECOVER_SECONDS).is_overloaded


def test_it_is_remembered_when_the_overload_was():
    state = judge(judge(Suffering(), SUFFERING, now=0.0), SUFFERING, now=5.0)
    assert judge(state, HELD, now=6.0).last_at == 6.0
    over = judge(judge(state, CALM, now=7.0), CALM, now=20.0)
    assert (over.is_overloaded, over.last_at) == (False, 7.0)


class AnyLoad(RuleBasedStateMachine):
    """Any strain on any use: the limit keeps within its bounds and moves the right way."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds = BOUNDS
        self.limit = a_limit()
        self.now = 0.0

    @rule(
        ratio=st.floats(0, 5),
        used=st.integers(0, 12),
        waiting=st.integers(0, 5),
        seconds=st.floats(0.1, 4),
    )
    def sample(self, ratio: float, used: int, waiting: int, seconds: float) -> None:
        before, self.now = self.limit, self.now + seconds
        use = Use(used, waiting)
        self.limit = adapt(before, self.bounds, Strain(ratio, "so"), use, now=self.now)
        if ratio > 1.0:
            assert self.limit.value <= before.value
            assert self.limit.gap > before.gap
        else:
            is_needed = waiting > 0 or used >= before.value
            assert self.limit.value >= before.value or not is_needed
            assert self.limit.value >= before.value - 1
            assert self.limit.gap <= before.gap
        assert self.limit.value <= before.value + self.bounds.step

    @rule(floor=st.integers(1, 4), room=st.integers(0, 8))
    def change(self, floor: int, room: int) -> None:
        self.bounds = Bounds(floor=floor, start=floor, ceiling=floor + room)
        self.limit = fit(self.limit, self.bounds)

    @precondition(lambda self: self.limit.gap < 1e6)
    @rule()
    def strain_for_long(self) -> None:
        for _ in range(20):
            self.now += SETTLE_SECONDS
            use = Use(self.limit.value, 1)
            self.limit = adapt(self.limit, self.bounds, STRAINED, use, now=self.now)
        assert self.limit.value == self.bounds.floor

    @rule()
    def calm_for_long(self) -> None:
        for _ in range(20):
            self.now += GROW_SECONDS + 0.1
            use = Use(self.limit.value, 1)
            self.limit = adapt(self.limit, self.bounds, CALM, use, now=self.now)
        assert self.limit.value == self.bounds.ceiling

    @invariant()
    def keeps_within_bounds(self) -> None:
        assert self.bounds.floor <= self.limit.value <= self.bounds.ceiling


TestAnyLoad = AnyLoad.TestCase
TestAnyLoad.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 3)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_overload_begins_and_ends_only_after_its_time(samples: list[tuple[float, float]]):
    state, now, severe_for, fine_for = Suffering(), 0.0, 0.0, 0.0
    for ratio, seconds in samples:
        now += seconds
        after = judge(state, Strain(ratio, "so"), now=now)
        severe_for = severe_for + seconds if ratio >= SEVERE else 0.0
        fine_for = fine_for + seconds if ratio <= 1.0 else 0.0
        if after.is_overloaded and not state.is_overloaded:
            assert severe_for >= SUFFER_SECONDS
        if state.is_overloaded and not after.is_overloaded:
            assert fine_for >= RECOVER_SECONDS
        state = after


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_a_host_under_steady_strain_still_boots_one_device(cores: int):
    limit, bounds = a_limit(cores), Bounds(floor=1, start=cores, ceiling=8 * cores)
    for second in range(60):
        limit = adapt(limit, bounds, SUFFERING, Use(limit.value, 5), now=float(second))
    assert limit.value == 1
