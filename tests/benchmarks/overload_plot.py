"""The figures of `overload` as a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping

from labq.cli.sweep.arms import Measured
from labq.cli.sweep.plot import draw

TITLE = "User-mode Linux boots, each with three times the quiet boot"


def picture(values: Mapping[str, float]) -> str | None:
    """Return the SVG of the newest values by name, None when there are none of `overload`."""
    names = [name.split(".")[1] for name in values if re.fullmatch(r"overload\.\w+\.seconds", name)]
    if not names:
        return None
    return draw(TITLE, [_arm(name, values) for name in names])


def _arm(name: str, values: Mapping[str, float]) -> Measured:
    return Measured(
        boots=None if name == "adaptive" else int(name),
        tests=0,
        jobs=1000,
        failed=round(10 * values[f"overload.{name}.failed"]),
        suspect=0,
        seconds=values[f"overload.{name}.seconds"],
        boot_seconds=None,
        test_seconds=None,
    )
