"""The task of `download` steps."""

from __future__ import annotations

from celery import Task

from labq.queue import app
from labq.tasks import step as steps


@app.task(name="labq.download", bind=True, acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def download(self: Task, run: int, epoch: int, step: int) -> None:
    """Leased: the bench grants the step or drops it."""
    steps.run(self, run, epoch, step)
