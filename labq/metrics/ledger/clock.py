"""The wall clock as the ledger notes it; durations are those of `time.perf_counter`."""

from __future__ import annotations

from datetime import UTC, datetime


def wall() -> float:
    """Return the seconds since 1970."""
    return datetime.now(UTC).timestamp()


def moment(seconds: float) -> datetime:
    """Return a time of the wall clock."""
    return datetime.fromtimestamp(seconds, UTC)
