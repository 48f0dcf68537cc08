"""When jobs come in: by day and night, week and week-end, and in bursts when something was built."""

from __future__ import annotations

from array import array
from random import Random

from labq.fill.chance import spread

MICROSECONDS = 1_000_000
HOUR = 3600 * MICROSECONDS
DAY = 24 * HOUR
# Share of an hour by UTC: nightly builds, then people at work.
_HOURS = (7, 9, 8, 6, 4, 3, 3, 5, 8, 10, 11, 10, 9, 11, 12, 12, 11, 9, 7, 6, 5, 5, 6, 7)
_MONDAY_TO_SUNDAY = (1.0, 1.05, 1.05, 1.0, 0.95, 0.45, 0.4)
_BUILD_OF_JOBS = 12
_SPREAD_OF_A_BUILD = 8 * 60 * MICROSECONDS
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


def times(count: int, days: int, until: int, random: Random) -> array[int]:
    """Return `count` ascending moments in the `days` before `until`, all in microseconds of UTC."""
    begin = until - days * DAY
    found: array[int] = array("q")
    hours = days * 24
    weights = [_weight(begin + hour * HOUR, hour / hours, random) for hour in range(hours)]
    for hour, jobs in enumerate(spread(count, weights)):
        found.extend(_within(begin + hour * HOUR, jobs, until, random))
    return array("q", sorted(found))


def _weight(moment: int, progress: float, random: Random) -> float:
    """Return how busy an hour is: the lab grows by a half, and no two days are alike."""
    weekday = (moment // DAY + _EPOCH_WEEKDAY) % 7
    rhythm = _HOURS[moment // HOUR % 24] * _MONDAY_TO_SUNDAY[weekday]
    return rhythm * (0.8 + 0.4 * progress) * random.lognormvariate(0, 0.35)


def _within(hour: int, jobs: int, until: int, random: Random) -> list[int]:
    """Return the moments of an hour's jobs: most follow a build, some come alone."""
    if not jobs:
        return []
    builds = [random.randrange(HOUR) for _ in range(1 + jobs // _BUILD_OF_JOBS)]
    found = []
    for _ in range(jobs):
        if random.random() < 0.7:
            after = int(random.expovariate(1 / _SPREAD_OF_A_BUILD))
            moment = hour + random.choice(builds) + after
        else:
            moment = hour + random.randrange(HOUR)
        found.append(min(moment, until - 1 - random.randrange(MICROSECONDS)))
    return found
