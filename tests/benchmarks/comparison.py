"""Figures against the last ones of the same machine, each as a ratio to the fixed loop of its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.benchmarks.figures import Figure

TIMES_THE_LOOP = "times the loop"
_TIME, _RATE, _AS_IT_IS = -1, 1, 0
_SCALES = {
    **dict.fromkeys(("ms", "s", "min"), _TIME),
    **dict.fromkeys(("answers/s", "cases/s", "jobs/min"), _RATE),
    TIMES_THE_LOOP: _AS_IT_IS,
}
"""By which power of the loop's time a figure of a unit is to be multiplied."""


def lines(
    figures: Iterable[Figure], loop_ms: float, before: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield one line for each figure that was taken before; a machine's busy day is divided out."""
    last = _last(before)
    for figure in figures:
        scale = _SCALES.get(figure.unit)
        if scale is None or figure.name not in last:
            continue
        value, old_loop_ms, day = last[figure.name]
        old = value * old_loop_ms**scale
        if old:
            ratio = figure.value * loop_ms**scale / old
            yield f"{figure.name}: {ratio:.2f} times what it was on {day}"


def _last(records: Iterable[Mapping[str, Any]]) -> Mapping[str, tuple[float, float, str]]:
    """Return the newest value of each figure with the loop of its time; older records had none."""
    return {
        figure["name"]: (figure["value"], record["calibration_ms"], record["date"][:10])
        for record in records
        if "calibration_ms" in record
        for figure in record["figures"]
    }
