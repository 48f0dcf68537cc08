"""Works at retention and dies by SIGKILL: twice at its first act on disk or database, then twice at
its second, and so on, until it comes to the end. Prints how often it died.

Run as a program: a fork of a process with threads would not be safe.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from labq.domain.deadline import Deadline
from labq.services.archive.pack import Blobs
from labq.services.archive.store import FolderStore
from labq.services.database import Role, make_engine, session_factory
from labq.services.retention import months, worker
from labq.services.retention.pace import Pace
from labq.services.retention.worker import Ground

MOST_DEATHS = 400
DROPS = ("ALTER TABLE", "DROP TABLE")
FILE_ACTS = ("os.rename", "os.remove")


class Fate:
    """Counts acts, and kills the process at one of them."""

    def __init__(self, last: int) -> None:
        self._left = last

    def act(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def drop(self, *details: Any) -> None:
        if str(details[2]).startswith(DROPS):
            self.act()

    def audit(self, name: str, _arguments: object) -> None:
        if name in FILE_ACTS:
            self.act()


def work(facts: dict[str, str], last: int) -> None:
    """Work until the run is over, or the act number `last`."""
    months.WORTH_CASES = 1
    fate = Fate(last)
    engine = make_engine(facts["database_url"], Role.CORE)
    sessions = session_factory(engine)
    state = Path(facts["state"])
    with sessions.begin() as session:
        # As if so much time had passed that the dead one holds the run no more.
        session.execute(text("UPDATE retention_run SET held_until = now() - interval '1 s'"))
    event.listen(engine, "commit", fate.act)
    event.listen(engine, "after_cursor_execute", fate.drop)
    event.listen(Session, "after_commit", fate.act)
    sys.addaudithook(fate.audit)
    ground = Ground(
        engine,
        sessions,
        FolderStore(state / "archive"),
        Blobs.below(state / "blobs"),
        lambda: datetime.fromisoformat(facts["now"]),
    )
    pace = Pace(sessions, Deadline.after(60), sleep=lambda _seconds: None)
    assert worker.step(ground, f"mortal-{last}", "labq", pace)


def main() -> int:
    facts = json.loads(sys.argv[1])
    for deaths in range(MOST_DEATHS):
        child = os.fork()
        if not child:
            work(facts, 1 + deaths // 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            print(deaths)  # noqa: T201 - the answer
            return os.WEXITSTATUS(status)
    return 1


if __name__ == "__main__":
    sys.exit(main())
