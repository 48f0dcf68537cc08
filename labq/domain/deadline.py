"""Deadlines: a moment on the monotonic clock until which something may take."""

from __future__ import annotations

import time
from dataclasses import dataclass


def monotonic() -> float:
    """Return seconds on the clock that all deadlines and journals of one machine share."""
    return time.monotonic()


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """A moment, in seconds on the monotonic clock of this machine since its boot."""

    at: float

    @classmethod
    def after(cls, seconds: float, now: float | None = None) -> Deadline:
        """Return the moment `seconds` from `now` (default: the clock)."""
        return cls((monotonic() if now is None else now) + seconds)

    def remaining(self, now: float | None = None) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.at - (monotonic() if now is None else now))

    def is_over(self, now: float | None = None) -> bool:
        """Return whether the moment has passed."""
        return self.remaining(now) == 0.0

    def capped(self, seconds: float, now: float | None = None) -> Deadline:
        """Return the earlier of this deadline and `seconds` from `now`."""
        return min(self, Deadline.after(seconds, now))
