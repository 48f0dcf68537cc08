"""Options that are a time: a number with a unit."""

from __future__ import annotations

import re

import click
from typing_extensions import override

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Seconds(click.ParamType[int]):
    """Turns `90s`, `30m`, `24h` or `7d` into seconds."""

    name = "time"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = re.fullmatch(r"([1-9]\d{0,6})([smhd])", str(value))
        if not found:
            self.fail(f"{value!r} is no time like 90s, 30m, 24h or 7d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


SECONDS = Seconds()
