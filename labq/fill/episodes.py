"""When devices and hosts fail: in episodes of hours or days, not one job here and one there."""

from __future__ import annotations

from random import Random

from labq.fill.arrivals import DAY, HOUR

YEAR = 365 * DAY
DEVICE_HOURS = 20.0
HOST_HOURS = 3.0
_NEVER = 2**63 - 1


class Episodes:
    """Episodes of many things, asked about in the order of time: `is_in` is quick."""

    def __init__(self, count: int, a_year: float, hours: float, begin: int) -> None:
        self._a_year = a_year
        self._length = hours * HOUR
        self._begin, self._end = [begin] * count, [begin] * count
        self._is_started = [False] * count

    def is_in(self, which: int, moment: int, random: Random) -> bool:
        """Tell whether one of them is in an episode; moments must not go back by much."""
        while moment >= self._end[which]:
            self._go_on(which, random)
        return moment >= self._begin[which] and self._is_started[which]

    def _go_on(self, which: int, random: Random) -> None:
        if self._a_year <= 0:
            self._begin[which] = self._end[which] = _NEVER
            return
        pause = random.expovariate(self._a_year / YEAR)
        self._begin[which] = self._end[which] + int(pause)
        length = random.lognormvariate(0, 0.8) * self._length
        self._end[which] = self._begin[which] + max(1, int(length))
        self._is_started[which] = True
