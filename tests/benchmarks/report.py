"""`python -m tests.benchmarks.report [FILE...]`: writes kept figures into docs/benchmarks.md.

Without files the newest value of each figure in the user's cache is taken; ratios of end points, which are
many, and figures of small data (`NAME@small`) are left to the trend. What `overload` found is drawn as
docs/overload.svg.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import endpoint_ratios
from tests.benchmarks.machine import folder
from tests.benchmarks.overload_plot import picture

Newest = dict[str, tuple[dict[str, Any], dict[str, Any]]]
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PICTURE = PAGE.with_name("overload.svg")
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def main(names: Sequence[str]) -> None:
    """Replace what stands between the marks of the page."""
    paths = [Path(name) for name in names] or sorted(folder().glob("*.json"))
    newest = _newest(json.loads(path.read_text()) for path in paths)
    lines = list(_table(newest))
    drawn = picture({name: figure["value"] for name, (figure, _) in newest.items()})
    if drawn:
        PICTURE.write_text(drawn)
        lines += ["", f"![wall time and failures under overload]({PICTURE.name})"]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


def _newest(records: Iterable[dict[str, Any]]) -> Newest:
    newest: Newest = {}
    for record in records:
        for figure in record["figures"]:
            newest[figure["name"]] = (figure, record)
    return newest


def _table(newest: Newest) -> Iterator[str]:
    yield "| figure | value | unit | goal | date | machine |"
    yield "|---|---|---|---|---|---|"
    for name, (figure, record) in sorted(newest.items()):
        if name.startswith(f"{endpoint_ratios.NAME}.") or "@" in name:
            continue
        cells = (f"`{name}`", figure["value"], figure["unit"], figure["against"])
        yield _row((*cells, record["date"][:10], _machine(record["machine"])))


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _machine(facts: dict[str, Any]) -> str:
    memory = round(facts["memory_mib"] / 1024)
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {memory} GiB, Linux {facts['kernel']}, "
        f"Python {facts['python']}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
