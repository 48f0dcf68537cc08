"""Hours of the day in which work may be done that can wait. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from labq.domain.errors import ConfigurationError

_TIME = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])"
_WINDOW = re.compile(f"{_TIME}-{_TIME}")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of each UTC day; one that ends before it begins goes over midnight."""

    begin: time
    end: time

    def has(self, moment: datetime) -> bool:
        """Tell whether a moment lies in the window."""
        at = moment.astimezone(UTC).time()
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


def parse_windows(text: str) -> tuple[Window, ...]:
    """Return the windows in `22:00-05:00,12:00-13:00`; raises ConfigurationError."""
    windows = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _WINDOW.fullmatch(part)
        if found is None:
            raise ConfigurationError(f"{part!r} is no window of the day: write 22:00-05:00")
        windows.append(Window(time.fromisoformat(found[1]), time.fromisoformat(found[2])))
    return tuple(windows)


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Tell whether work may be done at a moment: always without windows."""
    return not windows or any(window.has(moment) for window in windows)
