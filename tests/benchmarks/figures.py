"""Figures: what a benchmark found, how it is printed, and percentiles."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and what it is held against."""

    name: str
    value: float
    unit: str
    against: str

    def line(self) -> str:
        """Return the figure as one line of JSON."""
        return json.dumps(asdict(self))


def percentile(values: Sequence[float], share: int) -> float:
    """Return the smallest value that at least `share` percent of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value, for an even number of values the mean of the middle two."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def say(line: str) -> None:
    """Tell the person at the terminal how far it is."""
    print(f"bench: {line}", file=sys.stderr, flush=True)  # noqa: T201 - progress for a person
