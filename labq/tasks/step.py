"""What the tasks of all steps share: run the step, cut the chain by its outcome, release it."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.signals import task_postrun

from labq.config import load
from labq.runner.step import Outcome, run_step


def run(task: Task, run_id: int, epoch: int, step: int) -> None:
    """Run a step. After a failure the chain goes straight to `collect`; a dropped step ends it."""
    outcome = run_step(run_id, epoch, step, socket=load().bench_socket)
    task.request.update(session=outcome.session)
    match outcome.outcome:
        case Outcome.DROPPED:
            task.request.chain = None
        case Outcome.FAILED:
            task.request.chain = (task.request.chain or [])[:1]
        case Outcome.DONE:
            pass


def release(task: Task, **_signal: Any) -> None:
    """Close the step's session: by now the next message is published."""
    session = task.request.get("session")
    if session is not None:
        session.release()


task_postrun.connect(release)
