"""When the bench before this one lived last: the time of a file that a living bench sets."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from labq.domain.deadline import monotonic

BEAT_SECONDS = 0.5

log = logging.getLogger(__name__)


class Pulse:
    """The file `pulse` of a host folder; its time of change is monotonic seconds, not a date."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "pulse"
        self.found = self._read()

    async def run(self) -> None:
        """Set it for ever."""
        while True:
            self._beat()
            await asyncio.sleep(BEAT_SECONDS)

    def away_since(self, last: float) -> float:
        """Return when the bench before went away: it lived at `last`, and a beat after its pulse.

        Rather too late than too early: what a step did in its last moments must not lie in a pause.
        """
        return min(monotonic(), max(last, self.found + BEAT_SECONDS))

    def _beat(self) -> None:
        now = monotonic()
        try:
            self._path.touch()
            os.utime(self._path, (now, now))
        except OSError as error:
            log.debug("no pulse: %s", error)

    def _read(self) -> float:
        try:
            return self._path.stat().st_mtime
        except OSError:
            return 0.0
