"""Starts a Celery worker in this process, without its command line."""

from __future__ import annotations

from collections.abc import Sequence

from labq.queue import app

THREADS = 256
"""Far more than the bench ever grants: slots alone limit (a full pool takes its next message late)."""


def serve(name: str, queues: Sequence[str], tasks: Sequence[str], threads: int = THREADS) -> int:
    """Consume the queues until a signal ends the worker; returns its exit code.

    Threads may still be at work then: the caller ends the process with `os._exit`.
    """
    worker = app.Worker(
        hostname=name,
        pool="threads",
        concurrency=threads,
        queues=list(queues),
        include=[f"labq.tasks.{task}" for task in tasks],
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return worker.exitcode or 0
