"""The one way tests wait: a condition polled until a generous deadline, never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TooLateError(AssertionError):
    """The condition did not hold in time."""


def until(
    condition: Callable[[], T | None], what: str, seconds: float = 60, pause: float = 0.05
) -> T:
    """Return the condition's first true value; raises TooLateError naming `what`."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise TooLateError(f"not within {seconds:g} s: {what}; last seen: {value!r}")
        time.sleep(pause)
