"""Without knowing what was told before: a replayed step reports its results once more."""

from __future__ import annotations

from labq.bench import requests
from labq.bench.emissions import Emissions
from labq.bench.run import BenchRun


def take_away() -> None:
    """Let every result be a new one, though the journal has it."""
    BenchRun.is_reported = _never
    requests._report = _report


def _never(*_: object) -> bool:
    return False


_REPORT = requests._report


def _report(run: BenchRun, host: object, request: object) -> int:
    known, run.emissions = run.emissions, Emissions()
    try:
        return _REPORT(run, host, request)
    finally:
        run.emissions = known
