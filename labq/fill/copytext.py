"""Values as PostgreSQL's COPY reads them in its text format; quick, for a million rows and more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache

NULL = "\\N"
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_CLOCK = tuple(
    f"{hour:02}:{minute:02}:{second:02}"
    for hour in range(24)
    for minute in range(60)
    for second in range(60)
)
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def escaped(text: str) -> str:
    """Return a text as it stands in a field."""
    return text.translate(_ESCAPES)


def moment(microseconds: int) -> str:
    """Return a moment of UTC, NULL for 0."""
    if not microseconds:
        return NULL
    day, rest = divmod(microseconds, _DAY)
    seconds, fraction = divmod(rest, _SECOND)
    return f"{day_text(day)} {_CLOCK[seconds]}.{fraction:06}+00"


@lru_cache(maxsize=8192)
def day_text(day: int) -> str:
    """Return the date of a day counted from 1970-01-01."""
    return date.fromordinal(719_163 + day).isoformat()


def day_of(microseconds: int) -> int:
    """Return the UTC day of a moment, counted from 1970-01-01."""
    return microseconds // _DAY


def stamp(microseconds: int) -> datetime:
    """Return a moment as Python's value."""
    return datetime.fromtimestamp(microseconds / _SECOND, UTC)


def flag(value: object) -> str:
    """Return a boolean."""
    return "t" if value else "f"


def optional(value: object) -> str:
    """Return a value without special characters, NULL for None."""
    return NULL if value is None else str(value)


def array_of(values: Iterable[object]) -> str:
    """Return an array of numbers or plain words."""
    return "{" + ",".join(map(str, values)) + "}"
