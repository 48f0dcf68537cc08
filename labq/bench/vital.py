"""Threads without which a bench is of no use: when one dies, the bench does, and is started again."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


def vital_thread(name: str, work: Callable[[], object]) -> threading.Thread:
    """Return a thread that does `work`; an exception out of it ends this process like a loss.

    SIGHUP leaves the runs to the next bench.
    """
    return threading.Thread(target=_watched, args=(name, work), name=name, daemon=True)


def _watched(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:
        # Not even a log that cannot be written keeps the bench from going.
        os.kill(os.getpid(), signal.SIGHUP)
        log.exception("the bench cannot go on: its thread %s died", name)
        raise
