"""Hours of the day in which work may be done that can wait. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from labq.domain.errors import ConfigurationError


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
        begin, _, end = part.partition("-")
        try:
            windows.append(Window(time.fromisoformat(begin), time.fromisoformat(end)))
        except ValueError as error:
            message = f"{part!r} is no window of the day: write 22:00-05:00"
            raise ConfigurationError(message) from error
    return tuple(windows)


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Tell whether work may be done at a moment: always without windows."""
    return not windows or any(window.has(moment) for window in windows)
