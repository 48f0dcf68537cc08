"""A chain as a real Celery worker takes it, and messages that are counted while they wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from labq import queue
from labq.domain.plan import Queue, StepKind
from tests.integration.conductor_lab import eventually

HOST = "rack"
STEPS = (
    (0, StepKind.DEPLOY, Queue.FASTBOOT),
    (1, StepKind.BOOT, Queue.BOOT),
    (2, StepKind.TEST, Queue.TEST),
    (3, StepKind.COLLECT, Queue.COLLECT),
)
WORKER = """
import os, redis
from labq.queue import app
from labq.tasks.worker import serve

client = redis.Redis.from_url(os.environ["LABQ_REDIS_URL"])

def note(task, run, epoch, step):
    client.rpush("seen", f"{task.name} {task.request.id} {run} {epoch} {step}")
    if step == int(os.environ["CUT_AT"]):
        task.request.chain = (task.request.chain or [])[:1]

for kind in ("deploy", "boot", "test", "collect"):
    app.task(note, name=f"labq.{kind}", bind=True)
serve("w@rack", [f"rack.{kind}" for kind in ("fastboot", "boot", "test", "collect")], [], 4)
"""


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Return a client of the Redis that messages go to."""
    queue.app.conf.broker_url = redis_url
    with redis.Redis.from_url(redis_url) as made:
        yield made


@pytest.mark.parametrize(("cut_at", "steps"), [(-1, [0, 1, 2, 3]), (1, [0, 1, 3])])
def test_a_worker_takes_step_after_step_and_a_cut_chain_goes_to_its_last(
    client: redis.Redis, redis_url: str, cut_at: int, steps: list[int]
) -> None:
    environment = {**os.environ, "LABQ_REDIS_URL": redis_url, "CUT_AT": str(cut_at)}
    worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
    try:
        queue.publish_chain(HOST, 7, 2, STEPS)
        eventually(lambda: client.llen("seen") == len(steps), "the chain", seconds=40)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
    names = {index: kind.value for index, kind, _ in STEPS}
    assert [line.decode() for line in client.lrange("seen", 0, -1)] == [
        f"labq.{names[step]} 7-2-{step} 7 2 {step}" for step in steps
    ]


def test_messages_are_counted_while_they_wait(client: redis.Redis) -> None:
    queue.publish_chain(HOST, 1, 1, STEPS)
    queue.publish_chain(HOST, 2, 5, STEPS[2:])
    queue.publish_chain("other", 3, 1, STEPS)
    client.rpush(f"{HOST}.boot", b"garbage")
    assert queue.queued_ids(client, HOST) == {"1-1-0", "2-5-2"}
    assert queue.queued_ids(client, "unknown") == set()


def test_a_redis_that_is_gone_is_told_at_once_and_used_again(client: redis.Redis) -> None:
    queue.publish_chain(HOST, 1, 1, STEPS)
    client.client_kill_filter(_type="normal", skipme=True)
    queue.publish_chain(HOST, 2, 1, STEPS)
    assert queue.queued_ids(client, HOST) == {"1-1-0", "2-1-0"}
