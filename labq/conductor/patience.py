"""How much nonsense of one host is looked at: some at once, then so much a second, others unhurt."""

from __future__ import annotations

from dataclasses import dataclass

CREDIT = 50.0
"""Refused entries that a host may send at once."""
CREDIT_A_SECOND = 1.0
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class Patience:
    """With one host; times are monotonic seconds. `free_at`: nothing of it is looked at before."""

    credit: float = CREDIT
    counted_at: float = 0.0
    free_at: float = 0.0

    def is_free(self, now: float) -> bool:
        """Tell whether the host's turn may come."""
        return now >= self.free_at

    def spend(self, refused: int, now: float) -> None:
        """Take note of refused entries: over the credit the host has to wait."""
        if self.counted_at:
            earned = (now - self.counted_at) * CREDIT_A_SECOND
            self.credit = min(CREDIT, self.credit + earned)
        self.counted_at = now
        self.credit = max(self.credit - refused, -LONGEST_PAUSE_SECONDS * CREDIT_A_SECOND)
        if refused and self.credit < 0:
            self.rest(-self.credit / CREDIT_A_SECOND, now)

    def rest(self, seconds: float, now: float) -> None:
        """Leave the host alone for some seconds."""
        self.free_at = now + seconds
