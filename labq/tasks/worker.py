"""Starts a Celery worker in this process, without its command line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from celery.signals import setup_logging

from labq import log, statsd
from labq.config import Settings, load
from labq.queue import app

THREADS = 256
"""Far more than the bench ever grants: slots alone limit (a full pool takes its next message late)."""


def serve(name: str, queues: Sequence[str], tasks: Sequence[str], threads: int = THREADS) -> int:
    """Consume the queues until a signal ends the worker; returns its exit code.

    `tasks` are the names of modules that have the tasks.

    Threads may still be at work then: the caller ends the process with `os._exit`.
    """
    settings = load()
    statsd.setup(settings)
    # Celery leaves logging alone when somebody answers this signal.
    setup_logging.connect(partial(_log_as, name.partition("@")[0], settings), weak=False)
    # The process may be forked from one that has another Redis user.
    app.conf.broker_url = settings.redis_url
    worker = app.Worker(
        hostname=name,
        pool="threads",
        concurrency=threads,
        queues=list(queues),
        include=list(tasks),
        quiet=True,
        redirect_stdouts=False,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return worker.exitcode or 0


def _log_as(part: str, settings: Settings, **_signal: Any) -> None:
    log.setup(part, settings)
