"""What API, pages and command line show of the ledgers and of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError
from labq.metrics.ledger import masking, merging
from labq.metrics.ledger.gathering import Gathering
from labq.metrics.ledger.records import (
    EndpointRow,
    MinuteRow,
    ProfileRow,
    RequestRow,
    SiteRow,
    StatementRow,
    Summary,
    TransactionRow,
)
from labq.metrics.ledger.sql import normalised
from labq.services.ops import activity, explain, extensions
from labq.services.ops.activity import LockWait, OpenTransaction
from labq.services.ops.extensions import ServerStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the server that keeps a ledger."""

    process: str
    part: str
    at: datetime
    began_at: datetime
    requests: int
    sql_log_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """Requests of one endpoint in all processes: means and percentiles, milliseconds."""

    endpoint: str
    count: int
    failed: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    mean_cpu_ms: float
    mean_query_ms: float
    mean_queries: float
    mean_rows: float
    mean_bytes: float
    cache: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsView:
    """Requests; `is_complete` is false when only this process could be asked."""

    items: tuple[RequestRow, ...]
    endpoints: tuple[EndpointView, ...]
    processes: tuple[Process, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsView:
    """Transactions by call site and by minute, those that are open now, those that were slow."""

    sites: tuple[SiteRow, ...]
    minutes: tuple[MinuteRow, ...]
    open: tuple[OpenTransaction, ...]
    slow: tuple[TransactionRow, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """A statement in all processes; `can_explain` tells whether EXPLAIN can run it."""

    id: str
    text: str
    count: int
    ms: float
    mean_ms: float
    longest_ms: float
    longest_at: datetime
    mean_rows: float
    can_explain: bool
    parameters: dict[str, str]
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementsView:
    """Statements, those first that took the most time, and what the database server counted."""

    items: tuple[StatementView, ...]
    server: ServerStatistics
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A plan; `is_masked`: made with other values than those of the slowest call, for secrets."""

    id: str
    text: str
    plan: str
    is_measured: bool
    is_masked: bool


def find_requests(
    gathering: Gathering, *, slow: bool, endpoint: str | None, limit: int
) -> RequestsView:
    """Return requests of all processes, the newest first, and their endpoints."""
    gathered = gathering.summaries()
    rows = [
        row for row in gathering.requests(slow=slow) if endpoint is None or row.endpoint == endpoint
    ]
    counted = merging.endpoints(row for one in gathered.summaries for row in one.endpoints)
    return RequestsView(
        items=tuple(rows[:limit]),
        endpoints=tuple(
            _endpoint(row) for row in counted if endpoint is None or row.endpoint == endpoint
        ),
        processes=tuple(map(_process, gathered.summaries)),
        is_complete=gathered.is_complete,
    )


def find_request(gathering: Gathering, request: str) -> RequestRow:
    """Return one request that is still kept; raises NotFoundError."""
    for slow in (True, False):
        for row in gathering.requests(slow=slow):
            if row.id == request:
                return row
    raise NotFoundError(f"no request {request!r} is kept: only the newest and the slow ones are")


def find_transactions(session: Session, gathering: Gathering) -> TransactionsView:
    """Return the transactions of all processes, and what is open in the database."""
    gathered = gathering.summaries()
    return TransactionsView(
        sites=tuple(merging.sites(row for one in gathered.summaries for row in one.sites)),
        minutes=tuple(merging.minutes(row for one in gathered.summaries for row in one.minutes)),
        open=tuple(activity.find_open(session, normalised)),
        slow=tuple(gathering.transactions()),
        is_complete=gathered.is_complete,
    )


def find_statements(session: Session, gathering: Gathering, *, limit: int) -> StatementsView:
    """Return the statements that took the most time in all."""
    gathered = gathering.summaries()
    rows = merging.statements(row for one in gathered.summaries for row in one.statements)
    return StatementsView(
        items=tuple(map(_statement, rows[:limit])),
        server=extensions.find(session, normalised),
        is_complete=gathered.is_complete,
    )


def find_statement(gathering: Gathering, statement: str) -> StatementView:
    """Return one statement; raises NotFoundError."""
    return _statement(_recorded(gathering, statement))


def texts_of(gathering: Gathering, statements: set[str]) -> dict[str, str]:
    """Return the texts of statements by their ids, as far as they are known."""
    return {
        row.id: row.text
        for summary in gathering.summaries().summaries
        for row in summary.statements
        if row.id in statements
    }


def explain_statement(gathering: Gathering, url: str, statement: str, *, runs: bool) -> Explained:
    """Return the plan of a recorded statement's slowest call; with `runs` it is run for it.

    Raises NotFoundError for an id that no ledger has, InvalidInputError for what is no SELECT,
    ConflictError for a call that cannot be repeated.
    """
    row = _recorded(gathering, statement)
    if row.call is None:
        explain.check(row.text)
        raise ConflictError("no call of this statement was kept that could be explained")
    try:
        values = masking.bound(row.call.parameters)
    except ValueError as error:
        raise ConflictError(f"the call of this statement cannot be repeated: {error}") from error
    plan = explain.explain(url, row.call.text, values, runs=runs)
    return Explained(
        id=row.id,
        text=row.text,
        plan=plan.text,
        is_measured=plan.is_measured,
        is_masked=masking.has_masked(row.call.parameters),
    )


def find_waits(session: Session) -> list[LockWait]:
    """Return who waits for a lock in the database."""
    return activity.find_waits(session, normalised)


def find_profile(gathering: Gathering, profile: str) -> ProfileRow:
    """Return a profile; raises NotFoundError."""
    for row in gathering.profiles():
        if row.id == profile:
            return row
    raise NotFoundError(f"no profile {profile!r} is kept: only the newest are")


def _recorded(gathering: Gathering, statement: str) -> StatementRow:
    found = [
        row
        for summary in gathering.summaries().summaries
        for row in summary.statements
        if row.id == statement
    ]
    if not found:
        raise NotFoundError(f"no statement {statement!r} was recorded")
    return merging.statements(found)[0]


def _process(summary: Summary) -> Process:
    return Process(
        process=summary.process,
        part=summary.part,
        at=summary.at,
        began_at=summary.began_at,
        requests=summary.requests,
        sql_log_until=summary.sql_log_until,
    )


def _endpoint(row: EndpointRow) -> EndpointView:
    count = row.count or 1
    return EndpointView(
        endpoint=row.endpoint,
        count=row.count,
        failed=row.failed,
        mean_ms=row.ms / count,
        p50_ms=row.percentile(0.5),
        p95_ms=row.percentile(0.95),
        p99_ms=row.percentile(0.99),
        longest_ms=row.longest_ms,
        mean_cpu_ms=row.cpu_ms / count,
        mean_query_ms=row.query_ms / count,
        mean_queries=row.queries / count,
        mean_rows=row.rows / count,
        mean_bytes=row.bytes / count,
        cache=row.cache,
    )


def _statement(row: StatementRow) -> StatementView:
    parameters = row.call.parameters if row.call else {}
    return StatementView(
        id=row.id,
        text=row.text,
        count=row.count,
        ms=row.ms,
        mean_ms=row.mean_ms,
        longest_ms=row.longest_ms,
        longest_at=row.longest_at,
        mean_rows=row.rows / row.count if row.count else 0.0,
        can_explain=row.call is not None and explain.is_explained(row.call.text),
        parameters={name: text for name, (_, text) in parameters.items()},
        plan=row.plan,
    )
