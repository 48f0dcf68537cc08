"""What the database does: transactions, statements and their plans, lock waits, sizes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from labq.metrics.ledger import views
from labq.metrics.ledger.views import Explained, StatementsView, StatementView, TransactionsView
from labq.services.ops import relation_sizes
from labq.services.ops.activity import LockWait
from labq.services.ops.relation_sizes import Growth
from labq.web import observing
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input


class StatementsQuery(Input):
    """How many statements."""

    limit: int = Field(default=50, ge=1, le=500)


class ExplainBody(Input):
    """Whether the statement is run for its plan."""

    analyze: bool = Field(default=True, description="run it: with times, rows and buffers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """Who waits for whom, the longest first."""

    items: tuple[LockWait, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Tables and indexes with their growth, the largest first."""

    items: tuple[Growth, ...]


def transactions(call: Call) -> TransactionsView:
    """Show transactions by call site and minute, and those that are open."""
    return views.find_transactions(call.session, observing.current().gathering)


def statements(call: Call, query: StatementsQuery) -> StatementsView:
    """Show the statements that took the most time."""
    gathering = observing.current().gathering
    return views.find_statements(call.session, gathering, limit=query.limit)


def statement(call: Call, statement_id: str) -> StatementView:
    """Show a statement."""
    del call
    return views.find_statement(observing.current().gathering, statement_id)


def explain(call: Call, statement_id: str, body: ExplainBody) -> Explained:
    """Explain a statement's slowest call."""
    gathering = observing.current().gathering
    url = call.settings.report_database
    return views.explain_statement(gathering, url, statement_id, runs=body.analyze)


def locks(call: Call) -> Locks:
    """Show who waits for a lock."""
    return Locks(items=tuple(views.find_waits(call.session)))


def tables(call: Call) -> Tables:
    """Show how large tables and indexes are and how fast they grow."""
    return Tables(items=tuple(relation_sizes.find(call.session, call.now)))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/ops/transactions",
        summary="Show transactions by call site and minute, and those that are open",
        run=transactions,
        level=Level.ADMIN,
        answer=TransactionsView,
    ),
    Endpoint(
        method="GET",
        path="/ops/statements",
        summary="Show the statements that took the most time in all",
        run=statements,
        level=Level.ADMIN,
        query=StatementsQuery,
        answer=StatementsView,
    ),
    Endpoint(
        method="GET",
        path="/ops/statements/<statement_id>",
        summary="Show a statement",
        run=statement,
        level=Level.ADMIN,
        answer=StatementView,
    ),
    Endpoint(
        method="POST",
        path="/ops/statements/<statement_id>/explain",
        summary="Explain the slowest call of a recorded SELECT; it can change nothing",
        run=explain,
        level=Level.ADMIN,
        body=ExplainBody,
        answer=Explained,
    ),
    Endpoint(
        method="GET",
        path="/ops/locks",
        summary="Show who waits for a lock, and who holds it",
        run=locks,
        level=Level.ADMIN,
        answer=Locks,
    ),
    Endpoint(
        method="GET",
        path="/ops/tables",
        summary="Show how large tables and indexes are and how fast they grow",
        run=tables,
        level=Level.ADMIN,
        answer=Tables,
    ),
)
