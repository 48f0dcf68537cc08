"""The server's own Celery worker."""

from __future__ import annotations

from labq.queue import CORE
from labq.tasks.worker import serve

THREADS = 8
TASKS: tuple[str, ...] = ("notify",)
"""Modules of `labq.tasks` with tasks of the queue `core`."""


def main() -> int:
    """Serve the queue `core`; see `labq.tasks.worker.serve`."""
    return serve("core@labq", [CORE], TASKS, THREADS)
