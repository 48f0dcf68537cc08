"""The server's own Celery worker; any number of them, on any machine that reaches the servers."""

from __future__ import annotations

import socket

from labq.config import load, require
from labq.queue import CORE
from labq.tasks import notify
from labq.tasks.worker import serve

THREADS = 8
TASKS = (notify.__name__,)


def main() -> int:
    """Serve the queue `core`; see `labq.tasks.worker.serve`. Raises ConfigurationError."""
    require(load(), "database_url", "redis_url")
    return serve(f"core@{socket.gethostname()}", [CORE], TASKS, THREADS)
