"""The Celery workers of a lab host, one process for each group of queues."""

from __future__ import annotations

from collections.abc import Mapping

from labq.config import load
from labq.domain.plan import Queue
from labq.queue import queue_name
from labq.tasks import boot, canary, collect, deploy, download, test
from labq.tasks.worker import serve

GROUPS: Mapping[str, tuple[Queue, ...]] = {
    "steps": (Queue.DOWNLOAD, Queue.DEPLOY, Queue.FASTBOOT, Queue.BOOT),
    "tests": (Queue.TEST,),
    "collect": (Queue.COLLECT,),
}
TASKS = tuple(module.__name__ for module in (download, deploy, boot, test, collect, canary))


def main(group: str) -> int:
    """Serve the queues of a group on this host; see `labq.tasks.worker.serve`."""
    host = load().host
    queues = [queue_name(host, queue) for queue in GROUPS[group]]
    return serve(f"{host}.{group}@labq", queues, TASKS)
