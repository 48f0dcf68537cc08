"""What all processes of the server have kept: this one's at first hand, the others' from Redis.

Calls of statements that no process with the server's key has sealed are shown and never run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import redis
from pydantic import TypeAdapter, ValidationError

from labq.metrics.ledger import keys
from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.records import (
    ProfileRow,
    RequestRow,
    StatementRow,
    Summary,
    TransactionRow,
)

MOST_PROCESSES = 100
REDIS_ERRORS = (redis.RedisError, ValueError)
Row = TypeVar("Row", RequestRow, TransactionRow, ProfileRow)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The counters of the processes that are at work; `is_complete` is false without Redis."""

    summaries: tuple[Summary, ...]
    is_complete: bool


class Gathering:
    """Reads for the pages of one process; a Redis that does not answer only makes them shorter."""

    def __init__(self, ledger: Ledger, client: redis.Redis, secret_key: str) -> None:
        self._ledger = ledger
        self._redis = client
        self._secret_key = secret_key

    def summaries(self) -> Gathered:
        """Return what each process has counted."""
        own = self._ledger.summary()
        try:
            others = [name for name in self._processes() if name != own.process]
            values = self._redis.mget([keys.summary(name) for name in others]) if others else []
        except REDIS_ERRORS:
            return Gathered(summaries=(own,), is_complete=False)
        found = (_parsed(keys.SUMMARY, value) for value in values if value is not None)
        trusted = (self._trusted(summary) for summary in found if summary is not None)
        return Gathered(summaries=(own, *trusted), is_complete=True)

    def requests(self, *, slow: bool) -> list[RequestRow]:
        """Return the newest requests of all processes, or those over the threshold."""
        own = self._ledger.slow_requests if slow else self._ledger.requests
        key = keys.slow_requests if slow else keys.requests
        return self._rows(own, [key(name) for name in self._others()], keys.REQUEST)

    def transactions(self) -> list[TransactionRow]:
        """Return the transactions over the threshold of all processes, the newest first."""
        names = [keys.slow_transactions(name) for name in self._others()]
        return self._rows(self._ledger.slow_transactions, names, keys.TRANSACTION)

    def profiles(self) -> list[ProfileRow]:
        """Return the profiles that were made, the newest first."""
        names = [keys.profiles(name) for name in self._others()]
        return self._rows(self._ledger.profiles, names, keys.PROFILE)

    def _processes(self) -> list[str]:
        found = self._redis.zrevrange(keys.PROCESSES, 0, MOST_PROCESSES - 1)
        return [name.decode(errors="replace") for name in found if isinstance(name, bytes)]

    def _others(self) -> list[str]:
        try:
            return [name for name in self._processes() if name != self._ledger.process]
        except REDIS_ERRORS:
            return []

    def _rows(
        self, own: Iterable[Row], names: Sequence[str], adapter: TypeAdapter[Row]
    ) -> list[Row]:
        with self._ledger.lock:
            found = list(own)
        for value in self._lists(names):
            row = _parsed(adapter, value)
            if row is not None:
                found.append(row)
        return sorted(found, key=lambda row: row.at, reverse=True)

    def _lists(self, names: Sequence[str]) -> list[bytes]:
        if not names:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.lrange(name, 0, -1)
        try:
            return [value for values in pipeline.execute() for value in values]
        except REDIS_ERRORS:
            return []

    def _trusted(self, summary: Summary) -> Summary:
        return replace(summary, statements=tuple(map(self._with_true_call, summary.statements)))

    def _with_true_call(self, row: StatementRow) -> StatementRow:
        call = row.call
        if call is None:
            return row
        is_true = keys.is_sealed(self._secret_key, call.text, call.parameters, call.seal)
        return row if is_true else replace(row, call=None)


T = TypeVar("T")


def _parsed(adapter: TypeAdapter[T], value: bytes | str) -> T | None:
    """Return what a process wrote; None for what a process of another version wrote otherwise."""
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        _LOG.debug("not of this version: %s", error)
        return None
