"""The one thread that carries what the ledger keeps: to Redis, to the database, to Sentry.

No request waits for it. Where Redis does not answer, the newest things are sent when it does again.
"""

from __future__ import annotations

import json
import logging
import threading
import time

import redis
from sqlalchemy import Engine

from labq.config import Settings
from labq.metrics.ledger import chores, keys
from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.parcels import Post

EVERY_SECONDS = 3.0
HITS_EVERY_SECONDS = 30.0
REDIS_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


class Courier:
    """Carries what one ledger keeps."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        database: Engine | None,
        *,
        makes_plans: bool = True,
    ) -> None:
        """Hits are stored through `database`; a process without one has none."""
        self._ledger = ledger
        self._url = settings.report_database if makes_plans else ""
        self._database = database
        self._post = Post(ledger, settings.secret_key)
        self._reporter = chores.Reporter(settings)
        self._redis = redis.Redis.from_url(
            settings.redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )
        self._hits_at = 0.0
        self._is_away = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Carry from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Carry what is there once more, and no more after that."""
        self._is_over.set()
        self._thread.join()
        self.carry(is_last=True)
        self._redis.close()

    def carry(self, *, is_last: bool = False) -> None:
        """Carry what is new; `is_last` all of it, however early it is."""
        if self._url:
            chores.plan_slowest(self._ledger, self._url)
        self._reporter.report(self._ledger)
        self._send(is_last=is_last)
        now = time.monotonic()
        if self._database is not None and (is_last or now - self._hits_at >= HITS_EVERY_SECONDS):
            self._hits_at = now
            chores.store_hits(self._ledger, self._database)

    def _run(self) -> None:
        while not self._is_over.wait(EVERY_SECONDS):
            try:
                self.carry()
            except Exception:  # noqa: BLE001 - the outermost loop
                _LOG.exception("the ledger could not be carried on")

    def _send(self, *, is_last: bool) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.get(keys.SQL_LOG)
        self._post.pack(pipeline, is_last=is_last)
        try:
            switch = pipeline.execute()[0]
        except (redis.RedisError, ValueError) as error:
            self._post.note_loss()
            if not self._is_away:
                _LOG.info("the ledger stays here until Redis answers: %s", error)
            self._is_away = True
            return
        self._is_away = False
        self._post.note_arrival()
        self._ledger.sql_log_until = until_of(switch)


def until_of(switch: bytes | str | None) -> float:
    """Return until when the switch says that statements are logged, 0 when they are not."""
    try:
        return float(json.loads(switch)["until"]) if switch else 0.0
    except (ValueError, LookupError, TypeError):
        return 0.0
