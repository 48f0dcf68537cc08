"""What is done about the ledger in the background: plans of slow statements, reports, hits."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from labq.config import Settings
from labq.domain.errors import LabqError
from labq.metrics.ledger.clock import wall
from labq.metrics.ledger.counts import StatementCounts
from labq.metrics.ledger.ledger import Ledger
from labq.metrics.ledger.masking import bound
from labq.metrics.ledger.records import RequestRow, StatementCall, TransactionRow
from labq.services.database import session_factory
from labq.services.ops import explain, page_hits

if TYPE_CHECKING:
    from sentry_sdk.types import Event

PLAN_AGAIN_SECONDS = 3600.0
REPORT_AGAIN_SECONDS = 60.0
T = TypeVar("T", RequestRow, TransactionRow)
_LOG = logging.getLogger(__name__)


def store_hits(ledger: Ledger, engine: Engine) -> None:
    """Add the hits to the database; those that cannot be stored now wait for the next time."""
    hits = ledger.take_hits()
    if not hits:
        return
    try:
        with session_factory(engine).begin() as session:
            page_hits.add(session, hits)
    except SQLAlchemyError as error:
        ledger.put_hits_back(hits)
        _LOG.warning("hits of pages wait for the database: %s", str(error).partition("\n")[0])


def plan_slowest(ledger: Ledger, url: str) -> None:
    """Make the plan of the slowest statement over the threshold that has none yet, or an old one."""
    found = _to_plan(ledger)
    if found is None or found.call is None:
        return
    found.planned_at = wall()
    try:
        values = bound(found.call.parameters)
        found.plan = explain.explain(url, found.call.text, values, runs=False).text
    except (LabqError, ValueError) as error:
        found.plan = f"none: {error}"


def _to_plan(ledger: Ledger) -> StatementCounts | None:
    old = wall() - PLAN_AGAIN_SECONDS
    with ledger.lock:
        slow = [
            counts
            for counts in ledger.statements.values()
            if counts.longest >= ledger.bounds.statement
            and counts.planned_at < old
            and counts.call is not None
        ]
    return max(slow, key=lambda counts: counts.longest, default=None)


class Reporter:
    """Tells Sentry of what took too long, with its statements and without their values."""

    def __init__(self, settings: Settings) -> None:
        self._is_on = bool(settings.sentry_dsn)
        self._requests: RequestRow | None = None
        self._transactions: TransactionRow | None = None
        self._told_at: dict[str, float] = {}

    def report(self, ledger: Ledger) -> None:
        """Report what is new; of one endpoint or site at most once a minute."""
        if not self._is_on:
            return
        with ledger.lock:
            requests, transactions = list(ledger.slow_requests), list(ledger.slow_transactions)
        for request in _after(requests, self._requests):
            self._requests = request
            self._tell(ledger, "request", request.endpoint, request)
        for transaction in _after(transactions, self._transactions):
            self._transactions = transaction
            self._tell(ledger, "transaction", transaction.site, transaction)

    def _tell(self, ledger: Ledger, kind: str, name: str, row: RequestRow | TransactionRow) -> None:
        place, now = f"{kind} {name}", time.monotonic()
        if now - self._told_at.get(place, -REPORT_AGAIN_SECONDS) < REPORT_AGAIN_SECONDS:
            return
        self._told_at[place] = now
        import sentry_sdk  # noqa: PLC0415 - costs nothing without a DSN

        sentry_sdk.capture_event(_event(ledger, kind, name, row))


def _event(ledger: Ledger, kind: str, name: str, row: RequestRow | TransactionRow) -> Event:
    return {
        "message": f"slow {kind}: {name} took {row.ms:.0f} ms",
        "level": "warning",
        "fingerprint": ["slow", kind, name],
        "tags": {
            "slow": kind,
            "request": row.id if isinstance(row, RequestRow) else row.request,
        },
        "extra": {
            "queries": row.queries,
            "query_ms": round(row.query_ms, 1),
            "rows": row.rows,
            "statements": _texts(ledger, row.statements),
            "stacks": list(row.stacks),
        },
    }


def _texts(ledger: Ledger, calls: Iterable[StatementCall]) -> list[str]:
    return [f"{call.ms:.1f} ms, {call.rows} rows: {ledger.text_of(call.id)}" for call in calls]


def _after(rows: list[T], last: T | None) -> list[T]:
    """Return the rows that came after the last one that was seen."""
    for number in range(len(rows) - 1, -1, -1):
        if rows[number] is last:
            return rows[number + 1 :]
    return rows
