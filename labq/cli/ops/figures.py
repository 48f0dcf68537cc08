"""How `labq ops` shows milliseconds, bytes and counts that are means."""

from __future__ import annotations

KIB = 1024


def ms(value: object) -> str:
    """Show milliseconds: a tenth of one where there are few."""
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def mean(value: object) -> str:
    """Show a number with one decimal."""
    return f"{value:.1f}" if isinstance(value, int | float) else "-"


def size(value: object) -> str:
    """Show bytes as `512 B`, `1.5 KiB`, `20.0 MiB` or `3.1 GiB`; they may be less than none."""
    if not isinstance(value, int | float):
        return "-"
    left = float(value)
    for unit in ("B", "KiB", "MiB"):
        if abs(left) < KIB:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= KIB
    return f"{left:.1f} GiB"
