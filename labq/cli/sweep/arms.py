"""What a sweep measures, and what it proposes from that. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TOLERATED_POINTS = 1.0
"""Percentage points of failures above the best that are still taken."""
TOLERATED_SHARE = 1.05
"""Of the best wall time: fewer at once are better where they are about as quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """So many boots and so many jobs at once; `boots` None: as the host adapts."""

    boots: int | None
    tests: int

    @property
    def name(self) -> str:
        """Return how the arm is called."""
        return "adaptive" if self.boots is None else str(self.boots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What became of an arm. `seconds` is its wall time; the others are medians of what passed."""

    boots: int | None
    tests: int
    jobs: int
    failed: int
    suspect: int
    seconds: float
    boot_seconds: float | None
    test_seconds: float | None

    @property
    def failed_percent(self) -> float:
        """Return the share of jobs that failed, in percent."""
        return round(100 * self.failed / self.jobs, 2)


def median(values: Sequence[float]) -> float | None:
    """Return the middle value (the upper one of two), None of nothing."""
    ordered = sorted(values)
    return round(ordered[math.floor(len(ordered) / 2)], 3) if ordered else None


def propose(measured: Sequence[Measured]) -> Measured | None:
    """Return the fixed arm to live with, None when there is none.

    Of those with hardly more failures than the best, the one with the fewest boots, then tests, at
    once that is about as quick as the quickest.
    """
    fixed = [arm for arm in measured if arm.boots is not None]
    if not fixed:
        return None
    least = min(arm.failed_percent for arm in fixed)
    sound = [arm for arm in fixed if arm.failed_percent <= least + TOLERATED_POINTS]
    quickest = min(arm.seconds for arm in sound)
    quick = [arm for arm in sound if arm.seconds <= quickest * TOLERATED_SHARE]
    return min(quick, key=lambda arm: (arm.boots or 0, arm.tests))
