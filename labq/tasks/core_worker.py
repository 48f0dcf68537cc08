"""The server's own Celery worker; any number of them, on any machine that reaches the servers."""

from __future__ import annotations

import socket

from labq.config import load, require
from labq.metrics.ledger.process import observe
from labq.queue import CORE
from labq.tasks import backfill, notify, partitions, retention, rights, sizes
from labq.tasks.worker import serve

THREADS = 8
TASKS = (
    backfill.__name__,
    notify.__name__,
    partitions.__name__,
    retention.__name__,
    rights.__name__,
    sizes.__name__,
)


def main() -> int:
    """Serve the queue `core`; see `labq.tasks.worker.serve`. Raises ConfigurationError."""
    settings = load()
    require(settings, "database_url", "redis_url")
    observe("core", settings)
    return serve(f"core@{socket.gethostname()}", [CORE], TASKS, THREADS)
