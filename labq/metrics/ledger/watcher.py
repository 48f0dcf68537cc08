"""The one thread that looks at what takes long: takes samples of its stack, stops it at the limit.

While nothing goes on it waits without a time limit; it is woken by the first piece of work after that.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from contextlib import suppress

import psycopg2

from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.work import Request, Work

MOST_STACKS = 3
LOOKS_PER_THRESHOLD = 4
SHORTEST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.25
IDLE_LOOKS = 8
_MOST_FRAMES = 40
_LOG = logging.getLogger(__name__)


class Watcher:
    """Watches the work of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        shortest = min(ledger.bounds.request, ledger.bounds.transaction)
        wanted = min(shortest, ledger.bounds.request_limit) / LOOKS_PER_THRESHOLD
        self._pause = min(LONGEST_LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, wanted))
        self._is_asleep = False
        self._is_over = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._ledger.wake_watcher = self._rouse
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._is_over.set()
        self._wake.set()
        self._thread.join()

    def _rouse(self) -> None:
        if self._is_asleep:
            self._wake.set()

    def _run(self) -> None:
        idle = 0
        while not self._is_over.wait(self._pause):
            running = list(self._ledger.running.values())
            idle = 0 if running else idle + 1
            for work in running:
                self._look_at(work)
            if idle > IDLE_LOOKS:
                self._sleep()
                idle = 0

    def _sleep(self) -> None:
        """Wait until something begins; what began just before is seen here."""
        self._wake.clear()
        self._is_asleep = True
        if not self._ledger.running and not self._is_over.is_set():
            self._wake.wait()
        self._is_asleep = False

    def _look_at(self, work: Work) -> None:
        seconds = time.perf_counter() - work.began
        bounds = self._ledger.bounds
        threshold = bounds.request if isinstance(work, Request) else bounds.transaction
        if seconds >= threshold * 2 ** len(work.stacks) and len(work.stacks) < MOST_STACKS:
            work.stacks.append(f"after {seconds:.2f} s:\n{_stack(work.thread)}")
        if isinstance(work, Request) and seconds >= work.limit:
            _stop(work)


def _stack(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the only way to another thread's
    if frame is None:
        return "the thread is gone"
    return "".join(traceback.format_stack(frame, _MOST_FRAMES))


def _stop(request: Request) -> None:
    """Let no statement of a request begin, and cancel the one that runs, again at each look.

    That takes a connection of its own, which may not be answered: the watcher does not wait for it.
    """
    if not request.is_overdue:
        request.stop()
        _LOG.warning("%s %s is stopped: over %g s", request.method, request.path, request.limit)
    if request.connection is not None and not request.canceling.locked():
        threading.Thread(target=_cancel, args=(request,), name="cancel", daemon=True).start()


def _cancel(request: Request) -> None:
    with request.canceling:
        if request.connection is not None:
            with suppress(psycopg2.Error):
                request.connection.cancel()
