"""The task by which a worker shows that it still takes messages."""

from __future__ import annotations

from labq.benchlink.canary import TASK, answer
from labq.config import load
from labq.domain.plan import Queue
from labq.queue import app


@app.task(name=TASK, acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def canary(queue: str, number: int) -> None:
    """Idempotent: notes the number of the canary."""
    answer(load().bench_folder, Queue(queue), int(number))
