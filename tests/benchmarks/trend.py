"""`python -m tests.benchmarks.trend [FILE...]`: rebuilds docs/trend.md from the figures that are kept.

Without files those in the user's cache are taken.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks import machine

PAGE = Path(__file__).parents[2] / "docs" / "trend.md"
MOST_POINTS = 24
_BARS = "▁▂▃▄▅▆▇█"
_HEAD = """\
# Trend

How figures went, machine by machine: each line is one figure, from its first measurement to its last.
Bars go from the smallest value to the largest. `python -m tests.benchmarks.trend` writes this page from
what `make bench` has kept in `~/.cache/labq/benchmarks`; do not edit it. What made a figure change is in
[gains](gains.md), how each is taken in [benchmarks](benchmarks.md).

Times of end points (`endpoint_ratio`) are multiples of a fixed loop that ran beside them, so that a
machine's busy day is not taken for a slower labq.
"""


@dataclass(slots=True)
class Series:
    """The values of one figure on one machine, the oldest first."""

    unit: str = ""
    points: list[tuple[str, float]] = field(default_factory=list)


def main(names: Sequence[str]) -> None:
    """Write the page."""
    read = (json.loads(Path(name).read_text()) for name in names)
    PAGE.write_text(page(read if names else machine.records()))


def page(records: Iterable[Mapping[str, Any]]) -> str:
    """Return the page's Markdown."""
    machines: dict[str, dict[str, Series]] = {}
    for record in records:
        found = machines.setdefault(_name(record["machine"]), {})
        for figure in record["figures"]:
            series = found.setdefault(figure["name"], Series())
            series.unit = figure["unit"]
            series.points.append((record["date"][:10], figure["value"]))
    return _HEAD + "".join(_section(name, machines[name]) for name in sorted(machines))


def _name(facts: Mapping[str, Any]) -> str:
    return f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}"


def _section(name: str, found: Mapping[str, Series]) -> str:
    head = "| figure | unit | first | last | change | measured | |\n|---|---|---|---|---|---|---|\n"
    return f"\n## {name}\n{head}" + "".join(_lines(found))


def _lines(found: Mapping[str, Series]) -> Iterator[str]:
    for name in sorted(found):
        series = found[name]
        (begin, first), (end, last) = series.points[0], series.points[-1]
        change = f"{last / first - 1:+.0%}" if first and len(series.points) > 1 else ""
        days = begin if begin == end else f"{begin} to {end}"
        cells = (f"`{name}`", series.unit, f"{first:g}", f"{last:g}", change)
        measured = f"{len(series.points)} times, {days}"
        yield f"| {' | '.join((*cells, measured, _bars(series.points)))} |\n"


def _bars(points: Sequence[tuple[str, float]]) -> str:
    values = [value for _, value in points[-MOST_POINTS:]]
    low, high = min(values), max(values)
    if len(values) < 2 or low == high:
        return ""
    scale = (len(_BARS) - 1) / (high - low)
    return "".join(_BARS[round((value - low) * scale)] for value in values)


if __name__ == "__main__":
    main(sys.argv[1:])
