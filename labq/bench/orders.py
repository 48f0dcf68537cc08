"""Reads the host's orders in a thread of its own, so that Redis never stops the gate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import cast

import redis

from labq import streams
from labq.bench.vital import vital_thread
from labq.domain.deadline import monotonic
from labq.domain.errors import InvalidInputError
from labq.domain.orders import Order

BLOCK_MS = 2000
GATHER_SECONDS = 0.01
RETRY_SECONDS = 0.25
BATCH = 200

log = logging.getLogger(__name__)
Take = Callable[[list[tuple[str, Order | None]]], object]


class OrderReader:
    """Gives batches of (stream id, order) to `take`; None stands for an order that is none.

    `returned` is told for how many seconds Redis was away, when it answers again.
    """

    def __init__(
        self, url: str, host: str, last: str, take: Take, *, returned: Callable[[float], object]
    ) -> None:
        self._client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=BLOCK_MS / 1000 + 5, socket_connect_timeout=2
        )
        self._stream = streams.orders_stream(host)
        self._last = last
        self._take = take
        self._returned = returned
        self._away_since: float | None = None
        self._is_over = threading.Event()
        self._thread = vital_thread("orders", self._run)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; the thread is not waited for."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._note_return()
                self._read()
            except redis.RedisError as error:
                log.warning("orders cannot be read: %s", error)
                self._away_since = self._away_since or monotonic()
                self._is_over.wait(RETRY_SECONDS)
            except Exception:
                log.exception("reading orders failed")
                self._is_over.wait(RETRY_SECONDS)

    def _note_return(self) -> None:
        """Tell that Redis answers again, before a read that may wait for long."""
        if self._away_since is not None:
            self._client.ping()
            away, self._away_since = monotonic() - self._away_since, None
            self._returned(away)

    def _read(self) -> None:
        answer = self._client.xread({self._stream: self._last}, count=BATCH, block=BLOCK_MS)
        found = cast("list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", answer or [])
        if not found:
            self._look_for_loss()
            return
        entries = [(name.decode(), _order(fields)) for name, fields in found[0][1]]
        self._last = entries[-1][0]
        self._take(entries)
        # Confirmations come one by one: the next ones may gather.
        self._is_over.wait(GATHER_SECONDS)

    def _look_for_loss(self) -> None:
        """Start again from the beginning when Redis has lost the stream."""
        newest = cast("list[tuple[bytes, object]]", self._client.xrevrange(self._stream, count=1))
        if newest and _parts(newest[0][0].decode()) < _parts(self._last):
            self._last = "0"


def _order(fields: dict[bytes, bytes]) -> Order | None:
    try:
        return streams.load_order(fields.get(streams.ORDER_FIELD.encode(), b""))
    except InvalidInputError as error:
        log.warning("an order that is none, or of a newer server, is passed over: %s", error)
        return None


def _parts(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("-"))
