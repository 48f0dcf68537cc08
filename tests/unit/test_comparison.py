"""Figures against those before them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import comparison
from tests.benchmarks.figures import Figure


def record(day: int, value: float, **more: Any) -> dict[str, Any]:
    figure = {"name": "x", "value": value, "unit": "ms", "against": ""}
    return {"date": f"2026-11-{day:02}T10:00:00", "figures": [figure], **more}


@pytest.mark.parametrize(
    ("unit", "ratio"), [("ms", "1.00"), ("answers/s", "4.00"), ("times the loop", "2.00")]
)
def test_a_slower_machine_is_divided_out(unit: str, ratio: str) -> None:
    before = [record(1, 99.0, calibration_ms=1.0), record(2, 10.0, calibration_ms=5.0)]
    told = list(comparison.lines([Figure("x", 20.0, unit, "")], 10.0, before))
    assert told == [f"x: {ratio} times what it was on 2026-11-02"]


def test_what_cannot_be_compared_is_left_out() -> None:
    figures = [Figure("x", 1.0, "MiB", ""), Figure("y", 1.0, "ms", "")]
    assert not list(comparison.lines(figures, 1.0, [record(1, 1.0, calibration_ms=1.0)]))
    assert not list(comparison.lines([Figure("x", 1.0, "ms", "")], 1.0, [record(1, 1.0)]))
    nothing = [record(1, 0.0, calibration_ms=1.0)]
    assert not list(comparison.lines([Figure("x", 1.0, "ms", "")], 1.0, nothing))
