"""Canaries: small messages on each queue of the host, to find workers that no longer consume.

A worker answers one by writing its number to `canaries/<queue>` in the host folder.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import redis

from labq.benchlink.canary import TASK, read_answer
from labq.domain.plan import Queue


@dataclass(slots=True)
class _Canary:
    number: int = 0
    sent_at: float | None = None


@dataclass(slots=True)
class Canaries:
    """The canaries of one bench; each number is new, also after a restart. For one thread."""

    host: str
    folder: Path
    client: redis.Redis
    stuck_seconds: float
    _last: int = field(default_factory=lambda: secrets.randbits(40))
    _sent: dict[Queue, _Canary] = field(default_factory=lambda: {one: _Canary() for one in Queue})

    def forgive(self, now: float) -> None:
        """Give all that are on their way their time anew: nobody could answer."""
        for canary in self._sent.values():
            if canary.sent_at is not None:
                canary.sent_at = now

    def turn(self, now: float) -> list[Queue]:
        """Send what is due; return the queues whose canary waits there for too long.

        Raises redis.RedisError.
        """
        stuck = []
        for queue, canary in self._sent.items():
            if canary.sent_at is None or self._is_answered(queue, canary):
                self._send(queue, canary, now)
            elif now - canary.sent_at >= self.stuck_seconds:
                if self._waits(queue, canary):
                    stuck.append(queue)
                    canary.sent_at = now
                else:
                    # Redis lost it, or its worker was killed with it in hand.
                    self._send(queue, canary, now)
        return stuck

    def _is_answered(self, queue: Queue, canary: _Canary) -> bool:
        return read_answer(self.folder, queue) == canary.number

    def _send(self, queue: Queue, canary: _Canary, now: float) -> None:
        self._last += 1
        name = f"{self.host}.{queue}"
        self.client.lpush(name, message(name, queue, self._last))
        canary.number, canary.sent_at = self._last, now

    def _waits(self, queue: Queue, canary: _Canary) -> bool:
        waiting = cast("list[bytes]", self.client.lrange(f"{self.host}.{queue}", 0, -1))
        return any(b'"canary-%d"' % canary.number in raw for raw in waiting)


def message(routing_key: str, queue: Queue, number: int) -> bytes:
    """Return a canary as Celery's Redis transport has messages; the bench does without Celery."""
    name = f"canary-{number}"
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([[], {"queue": queue.value, "number": number}, embed]).encode()
    headers = {
        "lang": "py",
        "task": TASK,
        "id": name,
        "root_id": name,
        "parent_id": None,
        "group": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "ignore_result": True,
        "argsrepr": "",
        "kwargsrepr": "",
    }
    properties = {
        "correlation_id": name,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": routing_key},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": name,
    }
    content = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(content).encode()
