"""Upgrades in processes that are killed in the middle.

The processes are forked from a server of forks: quicker than a new interpreter each, and safe beside
the threads of a test run.
"""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import Engine, event

from labq.domain import pace
from labq.migration.backfills import Batches
from labq.services.upgrading import Upgraded, Wishes
from tests.migration import revisions

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload([__name__])
SECONDS = 60
# Not harmless when it is done twice: so a test sees that it is not.
WEIGH = Batches(
    name="weigh",
    table="test_case",
    statement="UPDATE test_case SET weight = coalesce(weight, 0) + 1"
    " WHERE id > :after AND id <= :upto",
)


def upgrade(url: str, folder: Path, wishes: Wishes | None = None) -> Upgraded:
    """Upgrade to the revisions of a test, in this process, in small batches."""
    pace.FIRST_ROWS = 4
    return revisions.upgrade(url, folder, WEIGH, wishes)


def is_killed_on_the_way(url: str, folder: Path, known: Path) -> bool:
    """Upgrade in a process that kills itself at the first statement that `known` does not list.

    It adds the statement to the list first. Return whether it came to one.
    """
    process = FORKS.Process(target=_upgrade_and_die, args=(url, folder, known))
    process.start()
    process.join(SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def spawn(url: str, folder: Path) -> BaseProcess:
    """Begin an upgrade in a process of its own."""
    process = FORKS.Process(target=upgrade, args=(url, folder))
    process.start()
    return process


def _upgrade_and_die(url: str, folder: Path, known: Path) -> None:
    main, seen = threading.get_ident(), set(known.read_text().splitlines())

    def look(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        line = " ".join(statement.split())
        is_reading = line.startswith(("SELECT", "SET", "SHOW", "WITH before"))
        if threading.get_ident() == main and not is_reading and line not in seen:
            with known.open("a") as out:
                out.write(f"{line}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", look)
    upgrade(url, folder)
