"""Times of frequent end points on the small data set, as multiples of a fixed loop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.comparison import TIMES_THE_LOOP
from tests.benchmarks.figures import Figure

NAME = "endpoint_ratio"
SECONDS = "0.5"
"""For each end point."""
_SLUG = str.maketrans(" ", "_", "'")
ROOT = Path(__file__).parents[2]


def measure(folder: Path) -> Iterator[Figure]:
    """Run pytest-benchmark; yield the median of each end point, divided by that of the loop."""
    medians = _medians(folder / "times.json")
    loop = medians.pop("")
    yield Figure("calibration_ms", round(1000 * loop, 3), "ms", "no goal")
    for asked, seconds in medians.items():
        name = f"{NAME}.{asked.translate(_SLUG)}"
        ratio = round(seconds / loop, 3)
        yield Figure(name, ratio, TIMES_THE_LOOP, f"no goal ({1000 * seconds:.2f} ms)")


def _medians(report: Path) -> dict[str, float]:
    """Return the median seconds of each end point, and of the loop under an empty name."""
    subprocess.run(
        (
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"),
            *(f"--benchmark-json={report}", f"--benchmark-max-time={SECONDS}"),
            *("--benchmark-min-rounds=20", "--benchmark-warmup=on", "--benchmark-disable-gc"),
            "tests/benchmarks/endpoint_times.py",
        ),
        cwd=ROOT,
        stdout=sys.stderr,
        check=True,
    )
    found: dict[str, Any] = json.loads(report.read_text())
    return {one["extra_info"]["asked"]: one["stats"]["median"] for one in found["benchmarks"]}
