"""Values of the device dictionary that steps need, with LAVA's defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labq.hw.session import Session

KERNEL_START = r"Linux version [0-9]"
SHUTDOWN = "The system is going down for reboot NOW"
UBOOT_INTERRUPT = "Hit any key to stop autoboot"
UBOOT_FINAL = "Starting kernel"


def lookup(tree: Mapping[str, object], *keys: str) -> object:
    """Return the value at the end of the keys, None where one is missing."""
    value: object = tree
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def texts(value: object) -> list[str]:
    """Return a string or a list of them as a list."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value] if isinstance(value, Sequence) else []


def constant(session: Session, *keys: str) -> str | None:
    """Return a text below `constants` of the dictionary."""
    value = lookup(session.plan.dictionary, "constants", *keys)
    return None if value is None else str(value)


def character_delay(session: Session, kind: str) -> float:
    """Return the seconds between characters that are sent in a `boot` or `test` step."""
    value = lookup(session.plan.dictionary, "character_delays", kind)
    return float(value) / 1000 if isinstance(value, int | float) else 0.0
