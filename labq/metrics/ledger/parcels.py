"""What of the ledger goes to Redis: the new rows of its lists, and its counters as one value."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from threading import Lock
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from redis.client import Pipeline

from labq.metrics.ledger import keys
from labq.metrics.ledger.clock import wall
from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.records import StatementRow, Summary

SUMMARY_EVERY_SECONDS = 10.0
IDLE_SUMMARY_SECONDS = 60.0
MOST_STATEMENTS = 200
T = TypeVar("T")


@dataclass(slots=True)
class Parcel(Generic[T]):
    """One list: rows after the last one that arrived; the key keeps as many as the ledger does."""

    key: str
    rows: deque[T]
    adapter: TypeAdapter[T]
    packed: T | None = None
    arrived: T | None = None

    def pack(self, pipeline: Pipeline, lock: Lock) -> None:
        """Add the new rows to what is sent; nobody waits while they are written out."""
        with lock:
            rows = tuple(self.rows)
        new = rows
        for number in range(len(rows) - 1, -1, -1):
            if rows[number] is self.arrived:
                new = rows[number + 1 :]
                break
        if new:
            pipeline.lpush(self.key, *(self.adapter.dump_json(row) for row in new))
            pipeline.ltrim(self.key, 0, (self.rows.maxlen or len(rows)) - 1)
            pipeline.expire(self.key, keys.KEPT_SECONDS)
            self.packed = new[-1]

    def note_arrival(self) -> None:
        """Remember that what was packed is there."""
        self.arrived = self.packed


class Post:
    """All that one ledger sends."""

    def __init__(self, ledger: Ledger, secret_key: str) -> None:
        self._ledger = ledger
        self._secret_key = secret_key
        name = ledger.process
        self._lists = (
            Parcel(keys.requests(name), ledger.requests, keys.REQUEST),
            Parcel(keys.slow_requests(name), ledger.slow_requests, keys.REQUEST),
            Parcel(keys.slow_transactions(name), ledger.slow_transactions, keys.TRANSACTION),
            Parcel(keys.profiles(name), ledger.profiles, keys.PROFILE),
        )
        self._summary_at = -IDLE_SUMMARY_SECONDS
        self._work_done = -1

    def pack(self, pipeline: Pipeline, *, is_last: bool) -> None:
        """Add what is new; `is_last` the counters too, however lately they were sent."""
        for parcel in self._lists:
            parcel.pack(pipeline, self._ledger.lock)
        if is_last or self._is_summary_due():
            self._summary_at, self._work_done = time.monotonic(), self._ledger.work_done
            value = keys.SUMMARY.dump_json(self._sealed(self._ledger.summary()))
            name = self._ledger.process
            pipeline.set(keys.summary(name), value, ex=keys.SUMMARY_SECONDS)
            pipeline.zadd(keys.PROCESSES, {name: wall()})
            pipeline.zremrangebyscore(keys.PROCESSES, 0, wall() - keys.KEPT_SECONDS)

    def note_arrival(self) -> None:
        """Remember that all that was packed is there."""
        for parcel in self._lists:
            parcel.note_arrival()

    def note_loss(self) -> None:
        """Remember that the counters are to be sent again."""
        self._summary_at = -IDLE_SUMMARY_SECONDS

    def _is_summary_due(self) -> bool:
        is_new = self._ledger.work_done != self._work_done
        pause = SUMMARY_EVERY_SECONDS if is_new else IDLE_SUMMARY_SECONDS
        return time.monotonic() - self._summary_at >= pause

    def _sealed(self, summary: Summary) -> Summary:
        """Leave out all but the statements that take most of the time, and seal their calls."""
        rows = sorted(summary.statements, key=lambda row: row.ms, reverse=True)[:MOST_STATEMENTS]
        return replace(summary, statements=tuple(self._seal(row) for row in rows))

    def _seal(self, row: StatementRow) -> StatementRow:
        call = row.call
        if call is None:
            return row
        proof = keys.seal(self._secret_key, call.text, call.parameters)
        return replace(row, call=replace(call, seal=proof))
