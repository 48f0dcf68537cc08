"""The Celery app and the sending of messages. Messages may be lost or doubled: they are never truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import redis
from celery import Celery

from labq.domain.plan import Queue, StepKind

CORE = "core"
"""The queue of the server's own worker."""

MOST_LISTED = 2000
"""Messages of one queue that are looked at; a host has far fewer runs."""

app = Celery("labq")
app.config_from_object("celeryconfig")


def task_id(run: int, epoch: int, step: int) -> str:
    """Return the id of a step's message; the same sending always has the same id."""
    return f"{run}-{epoch}-{step}"


def queue_name(host: str, queue: Queue) -> str:
    """Return the Celery queue of one kind of work on a host."""
    return f"{host}.{queue}"


def publish_chain(
    host: str, run: int, epoch: int, steps: Sequence[tuple[int, StepKind, Queue]]
) -> None:
    """Send the first of `steps` to its queue; each message carries those that come after it.

    Raises redis.RedisError or kombu's OperationalError when Redis does not answer.
    """
    (index, kind, queue), *later = steps
    app.send_task(
        f"labq.{kind}",
        kwargs=_arguments(run, epoch, index),
        task_id=task_id(run, epoch, index),
        queue=queue_name(host, queue),
        chain=[_signature(host, run, epoch, step) for step in reversed(later)],
        ignore_result=True,
        retry=False,
        argsrepr="",
        kwargsrepr="",
    )


def send(name: str, **arguments: object) -> None:
    """Send a task to the server's own worker; raises like `publish_chain`."""
    app.send_task(name, kwargs=arguments, queue=CORE, ignore_result=True, retry=False)


def queued_ids(client: redis.Redis, host: str) -> set[str]:
    """Return the ids of all step messages of a host that no worker has taken yet."""
    pipeline = client.pipeline(transaction=False)
    for queue in Queue:
        pipeline.lrange(queue_name(host, queue), -MOST_LISTED, -1)
    waiting: list[list[bytes]] = pipeline.execute()
    return {found for messages in waiting for raw in messages if (found := id_of(raw))}


def _signature(
    host: str, run: int, epoch: int, step: tuple[int, StepKind, Queue]
) -> Mapping[str, object]:
    """Return a step as Celery keeps it in a chain, whose last element comes first."""
    index, kind, queue = step
    return {
        "task": f"labq.{kind}",
        "args": [],
        "kwargs": _arguments(run, epoch, index),
        "options": {"task_id": task_id(run, epoch, index), "queue": queue_name(host, queue)},
        "subtask_type": None,
        "immutable": True,
    }


def _arguments(run: int, epoch: int, step: int) -> dict[str, int]:
    return {"run": run, "epoch": epoch, "step": step}


def id_of(raw: bytes) -> str | None:
    """Return the task id in a message, None for what is not one."""
    try:
        found = json.loads(raw)["headers"]["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
