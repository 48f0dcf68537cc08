"""Counters of the ledger: what is kept, and what several processes make together."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from labq.metrics.ledger import merging
from labq.metrics.ledger.counts import Endpoint, StatementCounts
from labq.metrics.ledger.ledger import MOST_SITES, MOST_STATEMENTS, Bounds, Ledger
from labq.metrics.ledger.records import EndpointRow, RequestRow, StatementRow
from labq.metrics.ledger.sql import statement_of
from labq.metrics.ledger.work import Request, Tally, Transaction

BOUNDS = Bounds(request=0.5, transaction=1.0, statement=0.1, request_limit=20.0)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _row(ms: float, status: int = 200, **cache: int) -> RequestRow:
    return RequestRow(
        id="1",
        process="web",
        at=NOON,
        endpoint="api.jobs.index",
        method="GET",
        path="/",
        query="",
        user="",
        status=status,
        ms=ms,
        cpu_ms=ms / 2,
        queries=2,
        query_ms=1.0,
        rows=10,
        bytes=100,
        cache=cache,
        is_slow=False,
    )


def _endpoint(*rows: RequestRow) -> EndpointRow:
    counts = Endpoint("api.jobs.index")
    for row in rows:
        counts.add(row)
    return counts.row()


def test_percentiles_are_those_of_all_processes_together() -> None:
    quick = _endpoint(*(_row(4.0) for _ in range(90)))
    slow = _endpoint(*(_row(40.0) for _ in range(9)), _row(180.0, 500))
    (both,) = merging.endpoints([quick, slow])
    assert (both.count, both.failed, both.rows) == (100, 1, 1000)
    assert [both.percentile(share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)] == [5, 5, 50, 50, 180]


def test_calls_of_caches_are_added_up() -> None:
    (both,) = merging.endpoints([_endpoint(_row(1, hit=1, miss=1)), _endpoint(_row(1, hit=2))])
    assert both.cache == {"hit": 3, "miss": 1}


def _statement(ms: float, plan: str = "", text: str = "SELECT 1") -> StatementRow:
    counts = StatementCounts(statement_of(text), plan=plan)
    counts.add(text, Tally(1, ms / 1000, ms / 1000, 1, {"id": int(ms)}), NOON.timestamp())
    return counts.row()


def test_of_a_statement_the_slowest_call_of_all_processes_counts() -> None:
    (both,) = merging.statements([_statement(5, "a plan"), _statement(50)])
    assert (both.count, round(both.longest_ms), both.plan) == (2, 50, "a plan")
    assert both.call is not None
    assert both.call.parameters == {"id": ("int", "50")}


def test_a_quicker_call_does_not_replace_the_slowest() -> None:
    counts = StatementCounts(statement_of("SELECT 1"))
    counts.add("SELECT 1", Tally(1, 2.0, 2.0, 1, {"id": 1}), 0.0)
    counts.add("SELECT 1", Tally(1, 1.0, 1.0, 1, {"id": 2}), 1.0)
    assert counts.parameters == {"id": ("int", "1")}
    assert (counts.count, counts.seconds) == (2, 3.0)


def _ended(ledger: Ledger, site: str, statement: str = "SELECT 1", seconds: float = 0.0) -> None:
    transaction = Transaction(name=site, keeper=ledger)
    ledger.begin(transaction)
    transaction.note(statement, seconds, 1, {})
    transaction.ended = transaction.began + seconds
    ledger.end_transaction(transaction)


def test_the_number_of_statements_and_sites_is_bounded() -> None:
    ledger = Ledger("test", BOUNDS)
    for number in range(MOST_STATEMENTS + 10):
        _ended(ledger, f"site{number}", f"SELECT a{number}", seconds=number / 1e6)
    summary = ledger.summary()
    assert len(summary.statements) <= MOST_STATEMENTS
    assert len(summary.sites) <= MOST_SITES + 1
    assert sum(site.count for site in summary.sites) == MOST_STATEMENTS + 10
    assert f"SELECT a{MOST_STATEMENTS - 1}" in {row.text for row in summary.statements}
    assert ledger.running == {}


def test_the_statements_of_a_requests_transactions_are_the_requests() -> None:
    ledger = Ledger("test", BOUNDS)
    request = Request(name="api.jobs.index", keeper=ledger, id="r", limit=20)
    ledger.begin(request)
    for _ in range(2):
        transaction = Transaction(name=request.name, keeper=ledger, request=request)
        transaction.note("SELECT a", 0.25, 3, {"id": 1})
        transaction.note("SELECT b", 0.5, 1, {})
        transaction.ended = transaction.began + 1.5
        ledger.end_transaction(transaction)
    row = ledger.end_request(request)
    assert (row.queries, row.query_ms, row.rows) == (4, 1500.0, 8)
    assert [call.ms for call in row.statements] == [250, 500, 250, 500]
    assert [site.count for site in ledger.summary().sites] == [2]
    assert len(ledger.slow_transactions) == 2
    assert ledger.slow_transactions[0].queries == 2
    assert {row.text: row.count for row in ledger.summary().statements} == {
        "SELECT a": 2,
        "SELECT b": 2,
    }


def test_hits_that_could_not_be_stored_are_not_lost() -> None:
    ledger = Ledger("test", BOUNDS)
    ledger.hits = Counter({(NOON.date(), "a"): 2})
    taken = ledger.take_hits()
    ledger.hits[NOON.date(), "a"] += 1
    ledger.put_hits_back(taken)
    assert ledger.take_hits() == Counter({(NOON.date(), "a"): 3})
    assert not ledger.take_hits()
