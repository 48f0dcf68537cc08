"""One safeguard of labq each, taken away: the campaign must notice.

A module's `take_away()` replaces the one function that is the safeguard, in the process that will be
labq: labq itself has no switch for it.
"""

from __future__ import annotations

from importlib import import_module

NAMES = ("lock", "epoch", "dedup", "replay", "fsync")


def take_away(name: str) -> None:
    """Remove the safeguard of this name."""
    if name not in NAMES:
        raise SystemExit(f"there is no safeguard {name!r}; there are {', '.join(NAMES)}")
    import_module(f"tests.chaos.broken.{name}").take_away()
