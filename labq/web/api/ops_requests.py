"""What requests took: the newest, those over the threshold, by endpoint; hits; profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from labq.metrics.ledger import views
from labq.metrics.ledger.records import ProfileRow, RequestRow
from labq.metrics.ledger.views import RequestsView
from labq.services.ops import page_hits
from labq.services.ops.page_hits import HitRow
from labq.web import observing
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text


class RequestsQuery(Input):
    """Which requests."""

    slow: bool = Field(default=False, description="only those over the threshold")
    endpoint: Text | None = Field(default=None, max_length=100, description="of this endpoint")
    limit: int = Field(default=50, ge=1, le=500)


class HitsQuery(Input):
    """How many days back, today included."""

    days: int = Field(default=30, ge=1, le=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Hits by endpoint, the most wanted first."""

    items: tuple[HitRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLine:
    """A profile without its text."""

    id: str
    at: datetime
    endpoint: str
    path: str
    user: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """The profiles that are kept, the newest first."""

    items: tuple[ProfileLine, ...]


def index(call: Call, query: RequestsQuery) -> RequestsView:
    """Show the newest requests, and what those of each endpoint took."""
    del call
    return views.find_requests(
        observing.current().gathering,
        slow=query.slow,
        endpoint=query.endpoint,
        limit=query.limit,
    )


def show(call: Call, request_id: str) -> RequestRow:
    """Show a request."""
    del call
    return views.find_request(observing.current().gathering, request_id)


def hits(call: Call, query: HitsQuery) -> Hits:
    """Show how often endpoints were asked for."""
    return Hits(items=tuple(page_hits.find(call.session, now=call.now, days=query.days)))


def profiles(call: Call) -> Profiles:
    """List the profiles."""
    del call
    return Profiles(
        items=tuple(
            ProfileLine(
                id=row.id,
                at=row.at,
                endpoint=row.endpoint,
                path=row.path,
                user=row.user,
                ms=row.ms,
            )
            for row in observing.current().gathering.profiles()
        )
    )


def profile(call: Call, profile_id: str) -> ProfileRow:
    """Show a profile."""
    del call
    return views.find_profile(observing.current().gathering, profile_id)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/ops/requests",
        summary="Show what requests took: time, CPU, queries, rows, cache, size",
        run=index,
        level=Level.ADMIN,
        query=RequestsQuery,
        answer=RequestsView,
    ),
    Endpoint(
        method="GET",
        path="/ops/requests/<request_id>",
        summary="Show a request with its statements and samples of its stack",
        run=show,
        level=Level.ADMIN,
        answer=RequestRow,
    ),
    Endpoint(
        method="GET",
        path="/ops/hits",
        summary="Show how often endpoints were asked for, by day",
        run=hits,
        level=Level.ADMIN,
        query=HitsQuery,
        answer=Hits,
    ),
    Endpoint(
        method="GET",
        path="/ops/profiles",
        summary="List requests that were profiled (header `Labq-Profile: 1` on any GET)",
        run=profiles,
        level=Level.ADMIN,
        answer=Profiles,
    ),
    Endpoint(
        method="GET",
        path="/ops/profiles/<profile_id>",
        summary="Show a profile",
        run=profile,
        level=Level.ADMIN,
        answer=ProfileRow,
    ),
)
