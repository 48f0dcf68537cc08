"""How fast work in the background goes on, so that those in front do not notice it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BATCH_SECONDS = 0.2
"""How long rows may be locked at once."""
FEWEST_ROWS, MOST_ROWS = 50, 50_000
FIRST_ROWS = 1_000
MOST_ACTIVE = 8
"""More queries at once than this, and the work rests altogether."""
REST_SECONDS = 1.0
SHARE_OF_ONE = 0.5
"""Of a batch's own time it rests so much for each query that runs beside it."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who else is at the database: queries that run, and those that wait for a lock."""

    active: int
    waiting: int

    @property
    def reason(self) -> str:
        """Return why nothing must be done now, empty when something may be."""
        if self.waiting:
            return f"{self.waiting} queries wait for locks"
        return f"{self.active} queries run" if self.active > MOST_ACTIVE else ""


def next_rows(rows: int, took_seconds: float) -> int:
    """Return how many rows the next batch has: at most twice, at least half as many as this one."""
    factor = min(2.0, max(0.5, BATCH_SECONDS / max(took_seconds, 0.001)))
    return max(FEWEST_ROWS, min(MOST_ROWS, int(rows * factor)))


def rest_after(took_seconds: float, crowd: Crowd) -> float:
    """Return the seconds to leave the database alone after a batch."""
    return REST_SECONDS if crowd.reason else took_seconds * SHARE_OF_ONE * crowd.active
