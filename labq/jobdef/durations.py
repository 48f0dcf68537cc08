"""Durations as job and device text write them: `{minutes: 5}` -> seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

DEFAULT_SECONDS = 30.0
LONGEST_SECONDS = 366 * 24 * 3600.0

_UNIT_SECONDS = {
    unit: timedelta(**{unit: 1}).total_seconds() for unit in ("days", "hours", "minutes", "seconds")
}


def to_seconds(value: object) -> float:
    """Return the seconds of a timeout; one that says no duration is the default, 30 s."""
    if not isinstance(value, Mapping):
        return DEFAULT_SECONDS
    total = sum(_of_unit(value, unit) for unit in _UNIT_SECONDS)
    return min(total, LONGEST_SECONDS) if total > 0 else DEFAULT_SECONDS


def _of_unit(value: Mapping[str, object], unit: str) -> float:
    amount = value.get(unit, 0)
    if not isinstance(amount, int | float):
        return 0.0
    return min(amount, LONGEST_SECONDS) * _UNIT_SECONDS[unit]


def named(value: object) -> dict[str, float]:
    """Return {action name: seconds} of a mapping of timeouts, empty for anything else."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): to_seconds(timeout) for name, timeout in value.items()}
