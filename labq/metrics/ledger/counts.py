"""Counters of the ledger, by endpoint, call site, statement and minute. Their caller holds a lock."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from labq.metrics.ledger import masking
from labq.metrics.ledger.clock import moment
from labq.metrics.ledger.records import (
    BOUNDS_MS,
    EndpointRow,
    MinuteRow,
    RequestRow,
    SiteRow,
    SlowestCall,
    StatementRow,
)
from labq.metrics.ledger.sql import LONGEST_TEXT, Statement
from labq.metrics.ledger.work import Tally, Transaction

KEPT_MINUTES = 60
_LARGEST_CALL = 4 * LONGEST_TEXT
_READS = re.compile(r"\s*(select|with)\b", re.IGNORECASE)


@dataclass(slots=True)
class Endpoint:
    """Requests of one endpoint."""

    name: str
    count: int = 0
    failed: int = 0
    ms: float = 0.0
    cpu_ms: float = 0.0
    query_ms: float = 0.0
    queries: int = 0
    rows: int = 0
    bytes: int = 0
    longest_ms: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    cache: Counter[str] = field(default_factory=Counter)

    def add(self, row: RequestRow) -> None:
        """Count a request."""
        self.count += 1
        self.failed += row.status >= 500
        self.ms += row.ms
        self.cpu_ms += row.cpu_ms
        self.query_ms += row.query_ms
        self.queries += row.queries
        self.rows += row.rows
        self.bytes += row.bytes or 0
        self.longest_ms = max(self.longest_ms, row.ms)
        self.classes[bisect_left(BOUNDS_MS, row.ms)] += 1
        if row.cache:
            self.cache.update(row.cache)

    def row(self) -> EndpointRow:
        """Return the counts."""
        return EndpointRow(
            endpoint=self.name,
            count=self.count,
            failed=self.failed,
            ms=self.ms,
            cpu_ms=self.cpu_ms,
            query_ms=self.query_ms,
            queries=self.queries,
            rows=self.rows,
            bytes=self.bytes,
            longest_ms=self.longest_ms,
            classes=tuple(self.classes),
            cache=dict(self.cache),
        )


@dataclass(slots=True)
class Site:
    """Transactions of one call site."""

    name: str
    count: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest: float = -1.0
    longest_at: float = 0.0
    minute: int = 0
    in_minute: int = 0

    def add(self, transaction: Transaction, seconds: float) -> None:
        """Count a transaction."""
        self.count += 1
        self.failed += transaction.has_failed
        self.seconds += seconds
        if seconds > self.longest:
            self.longest, self.longest_at = seconds, transaction.at
        minute = int(transaction.at // 60)
        if minute != self.minute:
            self.minute, self.in_minute = minute, 0
        self.in_minute += 1

    def row(self, now: float) -> SiteRow:
        """Return the counts; `last_minute` is the present one, or the one before."""
        return SiteRow(
            site=self.name,
            count=self.count,
            failed=self.failed,
            ms=self.seconds * 1000,
            longest_ms=self.longest * 1000,
            longest_at=moment(self.longest_at),
            last_minute=self.in_minute if int(now // 60) - self.minute <= 1 else 0,
        )


@dataclass(slots=True)
class StatementCounts:
    """Calls of one statement."""

    statement: Statement
    count: int = 0
    seconds: float = 0.0
    longest: float = -1.0
    longest_at: float = 0.0
    rows: int = 0
    raw: str = ""
    parameters: dict[str, masking.Kept] | None = None
    plan: str = ""
    planned_at: float = 0.0

    def add(self, raw: str, tally: Tally, at: float) -> None:
        """Add the calls of one piece of work; the slowest one's parameters are kept, masked."""
        self.count += tally.calls
        self.seconds += tally.seconds
        self.rows += tally.rows
        if tally.longest > self.longest:
            self.longest, self.longest_at = tally.longest, at
            # Values of other statements are kept by nobody: nothing is done with them.
            if _READS.match(raw) and len(raw) <= _LARGEST_CALL:
                self.raw, self.parameters = raw, masking.kept(tally.parameters)

    @property
    def call(self) -> SlowestCall | None:
        """Return the slowest call, when it can be run again."""
        if not self.raw or self.parameters is None:
            return None
        return SlowestCall(text=self.raw, parameters=self.parameters)

    def row(self) -> StatementRow:
        """Return the counts."""
        return StatementRow(
            id=self.statement.id,
            text=self.statement.text,
            count=self.count,
            ms=self.seconds * 1000,
            longest_ms=self.longest * 1000,
            longest_at=moment(self.longest_at),
            rows=self.rows,
            plan=self.plan,
            call=self.call,
        )


class Minutes:
    """Transactions by the minute, the newest KEPT_MINUTES of them."""

    def __init__(self) -> None:
        self._minutes: deque[list[float]] = deque(maxlen=KEPT_MINUTES)

    def add(self, at: float, seconds: float) -> None:
        """Count a transaction that ended now or a moment ago."""
        minute = at // 60
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append([minute, 0, 0.0, 0.0])
        last = self._minutes[-1]
        last[1] += 1
        last[2] += seconds
        last[3] = max(last[3], seconds)

    def rows(self) -> Iterator[MinuteRow]:
        """Yield the minutes that had transactions, the oldest first."""
        for minute, count, seconds, longest in self._minutes:
            yield MinuteRow(
                minute=moment(minute * 60),
                count=int(count),
                ms=seconds * 1000,
                longest_ms=longest * 1000,
            )
