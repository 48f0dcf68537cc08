"""The part of a Celery worker that keeps its connection to Redis."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from typing_extensions import override

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0


class Consumer(CeleryConsumer):  # type: ignore[misc]  # celery has no annotations
    """Looks for a Redis that is away each second; Celery's own waits longer each time, up to 30 s."""

    @override
    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=FIRST_PAUSE_SECONDS,
            interval_step=FIRST_PAUSE_SECONDS,
            interval_max=LONGEST_PAUSE_SECONDS,
        )
        return super().ensure_connected(conn)
