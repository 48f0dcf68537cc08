"""The server's own Celery worker."""

from __future__ import annotations

from labq.queue import CORE
from labq.tasks import notify
from labq.tasks.worker import serve

THREADS = 8
TASKS = (notify.__name__,)


def main() -> int:
    """Serve the queue `core`; see `labq.tasks.worker.serve`."""
    return serve("core@labq", [CORE], TASKS, THREADS)
