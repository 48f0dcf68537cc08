"""Durations and decimals as people read them, the same on pages, in exports and on the terminal."""

from __future__ import annotations

from decimal import Decimal


def describe_seconds(seconds: float) -> str:
    """Return seconds as `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 5 min` or `2 d 4 h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def plain_decimal(number: Decimal) -> str:
    """Return a decimal without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
