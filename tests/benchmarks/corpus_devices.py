"""Real device dictionaries from a folder outside the project: what share is judged as LAVA does.

LABQ_CORPUS_DEVICES names the folder, by default `devices` beside the one that LABQ_CORPUS names; its
index.csv has LAVA's verdicts.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.figures import Figure, say

AT_ONCE = 200
SECONDS = 300


def is_given() -> bool:
    """Tell whether there are dictionaries to read."""
    return any(os.environ.get(name) for name in ("LABQ_CORPUS_DEVICES", "LABQ_CORPUS"))


def folder() -> Path:
    """Return the folder of the dictionaries."""
    assert is_given(), (
        "LABQ_CORPUS_DEVICES must name the folder of the dictionaries, or LABQ_CORPUS that of the "
        "definitions beside it"
    )
    named = os.environ.get("LABQ_CORPUS_DEVICES")
    return Path(named) if named else Path(os.environ["LABQ_CORPUS"]).parent / "devices"


def measure(_folder: Path) -> Iterator[Figure]:
    """Judge every dictionary by the command line."""
    place = folder()
    with (place / "index.csv").open(newline="") as index:
        expected = {row["file"]: row["valid"] == "valid" for row in csv.DictReader(index)}
    verdicts = _verdicts(place, sorted(expected))
    different = [name for name, valid in expected.items() if verdicts.get(name) is not valid]
    for name in different:
        say(f"judged differently: {name}")
    share = 100 * (1 - len(different) / len(expected))
    yield Figure("corpus_devices", round(share, 2), f"% of {len(expected)} files", "100")


def _verdicts(place: Path, names: Sequence[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    program = Path(sys.executable).with_name("labq")
    for start in range(0, len(names), AT_ONCE):
        part = names[start : start + AT_ONCE]
        done = subprocess.run(
            [str(program), "device", "check", "--json", *part],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            found[answer["file"]] = answer["valid"]
    return found
