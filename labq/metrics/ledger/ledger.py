"""The ledger itself: the newest requests, those over a threshold, and counters. Any thread may write."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from threading import Lock

from labq import statsd
from labq.config import Settings
from labq.metrics.ledger.clock import moment, wall
from labq.metrics.ledger.counts import Endpoint, Minutes, Site, StatementCounts
from labq.metrics.ledger.records import (
    ProfileRow,
    RequestRow,
    StatementCall,
    Summary,
    TransactionRow,
)
from labq.metrics.ledger.sql import Names
from labq.metrics.ledger.work import Request, Transaction, Work

KEPT_REQUESTS = 200
KEPT_SLOW = 100
KEPT_PROFILES = 20
MOST_STATEMENTS = 1_000
MOST_SITES = 500
_SHOWN_CALLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds: from when something is slow, and when a request is stopped."""

    request: float
    transaction: float
    statement: float
    request_limit: float


def bounds_of(settings: Settings) -> Bounds:
    """Return the thresholds that are set."""
    return Bounds(
        request=settings.slow_request_ms / 1000,
        transaction=settings.slow_transaction_ms / 1000,
        statement=settings.slow_statement_ms / 1000,
        request_limit=settings.request_limit_seconds,
    )


class Ledger:
    """What one process has done; nothing in it waits for anything but its own lock."""

    def __init__(self, part: str, bounds: Bounds) -> None:
        self.part = part
        self.bounds = bounds
        self.process = f"{part}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self.began_at = wall()
        self.running: dict[int, Work] = {}
        self.wake_watcher = _nobody
        self.sql_log_until = 0.0
        self.names = Names()
        self.requests: deque[RequestRow] = deque(maxlen=KEPT_REQUESTS)
        self.slow_requests: deque[RequestRow] = deque(maxlen=KEPT_SLOW)
        self.slow_transactions: deque[TransactionRow] = deque(maxlen=KEPT_SLOW)
        self.profiles: deque[ProfileRow] = deque(maxlen=KEPT_PROFILES)
        self.lock = Lock()
        self.statements: dict[str, StatementCounts] = {}
        self.hits: Counter[tuple[date, str]] = Counter()
        self.count = 0
        self.work_done = 0
        self._endpoints: dict[str, Endpoint] = {}
        self._sites: dict[str, Site] = {}
        self._minutes = Minutes()

    def begin(self, work: Work) -> None:
        """Note what is under way."""
        self.running[id(work)] = work
        self.wake_watcher()

    def end_request(self, request: Request) -> RequestRow:
        """Keep a request that has ended and send its figures."""
        seconds = time.perf_counter() - request.began
        cpu = time.thread_time() - request.cpu_began
        self.running.pop(id(request), None)
        row = self._request_row(request, seconds, cpu)
        with self.lock:
            self.count += 1
            self.work_done += 1
            self.requests.append(row)
            if row.is_slow:
                self.slow_requests.append(row)
            self._endpoint(row.endpoint).add(row)
            self.hits[row.at.date(), row.endpoint] += 1
            self._add_statements(request)
        statsd.timings(
            {
                f"web.{row.endpoint}": row.ms,
                f"web_cpu.{row.endpoint}": row.cpu_ms,
                f"web_db.{row.endpoint}": row.query_ms,
            }
        )
        return row

    def end_transaction(self, transaction: Transaction) -> None:
        """Keep a transaction that has ended, and add its statements to its request's."""
        seconds = transaction.ended - transaction.began
        self.running.pop(id(transaction), None)
        request = transaction.request
        if request is not None:
            _hand_over(transaction, request)
        with self.lock:
            if request is None:
                self._add_statements(transaction)
            if transaction.is_plain_read:
                return
            self.work_done += 1
            self._minutes.add(transaction.at, seconds)
            self._site(transaction.name).add(transaction, seconds)
            if seconds >= self.bounds.transaction:
                self.slow_transactions.append(self._transaction_row(transaction, seconds))
        statsd.timing(f"db.transaction.{transaction.name}", seconds * 1000)

    def summary(self) -> Summary:
        """Return all counters."""
        now, until = wall(), self.sql_log_until
        with self.lock:
            endpoints, sites = list(self._endpoints.values()), list(self._sites.values())
            minutes, statements = tuple(self._minutes.rows()), list(self.statements.values())
        # Nobody waits while the rows are made: a request that ends meanwhile is in some of them.
        return Summary(
            process=self.process,
            part=self.part,
            at=moment(now),
            began_at=moment(self.began_at),
            requests=self.count,
            sql_log_until=moment(until) if until > now else None,
            endpoints=tuple(endpoint.row() for endpoint in endpoints),
            sites=tuple(site.row(now) for site in sites),
            minutes=minutes,
            statements=tuple(counts.row() for counts in statements),
        )

    def text_of(self, statement: str) -> str:
        """Return the normalised text of a statement, its id when it has been forgotten."""
        found = self.statements.get(statement)
        return found.statement.text if found else statement

    def take_hits(self) -> Counter[tuple[date, str]]:
        """Return the hits since the last call, which are the caller's to store from now on."""
        with self.lock:
            taken, self.hits = self.hits, Counter()
        return taken

    def put_hits_back(self, hits: Counter[tuple[date, str]]) -> None:
        """Take hits that could not be stored."""
        with self.lock:
            self.hits.update(hits)

    def keep_profile(self, row: ProfileRow) -> None:
        """Keep a profile among the newest."""
        with self.lock:
            self.profiles.append(row)

    def _endpoint(self, name: str) -> Endpoint:
        found = self._endpoints.get(name)
        if found is None:
            found = self._endpoints[name] = Endpoint(name)
        return found

    def _site(self, name: str) -> Site:
        found = self._sites.get(name)
        if found is None:
            if len(self._sites) >= MOST_SITES:
                name = "other"
            found = self._sites.setdefault(name, Site(name))
        return found

    def _add_statements(self, work: Work) -> None:
        for raw, tally in work.tallies.items():
            statement = self.names.of(raw)
            found = self.statements.get(statement.id)
            if found is None:
                if len(self.statements) >= MOST_STATEMENTS:
                    self._forget_statements()
                found = self.statements[statement.id] = StatementCounts(statement)
            found.add(raw, tally, work.at)

    def _forget_statements(self) -> None:
        """Forget the half that took the least time in all."""
        kept = sorted(self.statements.values(), key=lambda counts: counts.seconds, reverse=True)
        self.statements = {one.statement.id: one for one in kept[: MOST_STATEMENTS // 2]}

    def _request_row(self, request: Request, seconds: float, cpu: float) -> RequestRow:
        is_slow = seconds >= self.bounds.request
        return RequestRow(
            id=request.id,
            process=self.process,
            at=moment(request.at),
            endpoint=request.name,
            method=request.method,
            path=request.path,
            query=request.query,
            user=request.user,
            status=request.status,
            ms=seconds * 1000,
            cpu_ms=cpu * 1000,
            queries=request.queries,
            query_ms=request.query_seconds * 1000,
            rows=request.rows,
            bytes=request.size,
            cache=dict(request.cache),
            is_slow=is_slow,
            profile=request.profile,
            statements=self._calls(request.calls if is_slow else request.calls[:_SHOWN_CALLS]),
            stacks=tuple(request.stacks),
        )

    def _transaction_row(self, transaction: Transaction, seconds: float) -> TransactionRow:
        return TransactionRow(
            process=self.process,
            at=moment(transaction.at),
            site=transaction.name,
            ms=seconds * 1000,
            queries=transaction.queries,
            query_ms=transaction.query_seconds * 1000,
            rows=transaction.rows,
            has_failed=transaction.has_failed,
            request=transaction.request.id if transaction.request else "",
            statements=self._calls(transaction.calls),
            stacks=tuple(transaction.stacks),
        )

    def _calls(self, calls: Iterable[tuple[str, float, int]]) -> tuple[StatementCall, ...]:
        return tuple(
            StatementCall(id=self.names.of(raw).id, ms=seconds * 1000, rows=rows)
            for raw, seconds, rows in calls
        )


def of_process(part: str, settings: Settings) -> Ledger | None:
    """Return a ledger for this process; None where it is switched off."""
    return Ledger(part, bounds_of(settings)) if settings.ops else None


def _hand_over(transaction: Transaction, request: Request) -> None:
    for raw, tally in transaction.tallies.items():
        known = request.tallies.get(raw)
        if known is None:
            request.tallies[raw] = tally
            continue
        known.calls += tally.calls
        known.seconds += tally.seconds
        known.rows += tally.rows
        if tally.longest > known.longest:
            known.longest, known.parameters = tally.longest, tally.parameters
    request.calls.extend(transaction.calls)


def _nobody() -> None:
    """Be woken where nobody watches."""
