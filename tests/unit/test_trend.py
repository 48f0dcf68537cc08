"""The page of how figures went."""

from __future__ import annotations

from typing import Any

from tests.benchmarks import machine, trend

HERE = {"cpu": "Quick", "cores": 2, "python": "3.11.7", "kernel": "6.1"}


def record(day: int, value: float, **facts: Any) -> dict[str, Any]:
    figure = {"name": "jobs_list_ms.p50", "value": value, "unit": "ms", "against": "at most 5"}
    return {"date": f"2026-11-{day:02}T10:00:00", "machine": {**HERE, **facts}, "figures": [figure]}


def test_a_figure_goes_from_its_first_value_to_its_last() -> None:
    text = trend.page([record(1, 8.0), record(2, 6.0), record(3, 4.0)])
    line = "| `jobs_list_ms.p50` | ms | 8 | 4 | -50% | 3 times, 2026-11-01 to 2026-11-03 | █▅▁ |"
    assert line in text.splitlines()


def test_machines_are_kept_apart() -> None:
    text = trend.page([record(1, 8.0), record(2, 4.0, cpu="Slow")])
    assert text.index("## Quick, 2 cores") < text.index("## Slow, 2 cores")
    assert "%" not in text
    assert not machine.is_same(HERE, {**HERE, "cores": 4})
    assert machine.is_same(HERE, {**HERE, "kernel": "6.2"})


def test_what_never_changed_and_what_was_nothing_has_a_line_too() -> None:
    text = trend.page([record(1, 0.0), record(2, 0.0)])
    assert "| `jobs_list_ms.p50` | ms | 0 | 0 |  | 2 times, 2026-11-01 to 2026-11-02 |  |" in text
