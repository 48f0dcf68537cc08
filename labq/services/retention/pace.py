"""How fast retention works: a part of the time only, less while others want the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.deadline import Deadline, monotonic

REST_SHARE = 1.0
"""How long it rests after each piece of work, as a share of the time that the work took."""
LONGEST_REST_SECONDS = 2.0
BUSY_SESSIONS = 6
"""So many statements at work, or one that waits for a lock, are a busy database."""
BUSY_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Pace:
    """Rests between pieces of work until its budget is spent."""

    sessions: sessionmaker[Session]
    budget: Deadline
    sleep: Callable[[float], None] = time.sleep
    _since: float = field(default_factory=monotonic)

    @property
    def is_over(self) -> bool:
        """Return whether the time of this step is spent."""
        return self.budget.is_over()

    def pause(self) -> None:
        """Rest after a piece of work, longer while the database is busy, but not for ever."""
        worked = monotonic() - self._since
        self.sleep(min(worked * REST_SHARE, LONGEST_REST_SECONDS))
        if self._is_busy():
            self.sleep(BUSY_PAUSE_SECONDS)
        self._since = monotonic()

    def _is_busy(self) -> bool:
        with self.sessions() as session:
            row = session.execute(_ACTIVITY).one()
            return bool(row.waiting) or row.active >= BUSY_SESSIONS


_ACTIVITY = text("""
SELECT count(*) AS active, count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting
  FROM pg_stat_activity
 WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND datname = current_database()
""")
