"""`/ops`: what requests took, one of them, and how often pages were asked for."""

from __future__ import annotations

from pydantic import Field

from labq.metrics.ledger import views
from labq.services.ops import page_hits
from labq.web import observing
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render

SHOWN = 50
HIT_DAYS = 30


class RequestsQuery(Input):
    """Which requests."""

    slow: bool = False
    endpoint: Text | None = Field(default=None, max_length=100)


def requests(call: Call, query: RequestsQuery) -> str:
    """Show endpoints and the newest requests."""
    view = views.find_requests(
        observing.current().gathering, slow=query.slow, endpoint=query.endpoint, limit=SHOWN
    )
    return render(
        call,
        "ops.html",
        view=view,
        slow=query.slow,
        endpoint=query.endpoint,
        is_complete=view.is_complete,
    )


def request(call: Call, request_id: str) -> str:
    """Show a request."""
    gathering = observing.current().gathering
    row = views.find_request(gathering, request_id)
    texts = views.texts_of(gathering, {one.id for one in row.statements})
    return render(call, "ops_request.html", row=row, texts=texts)


def hits(call: Call) -> str:
    """Show hits by endpoint."""
    found = page_hits.find(call.session, now=call.now, days=HIT_DAYS)
    return render(call, "ops_hits.html", hits=found, days=HIT_DAYS)


PAGES = (
    Page(path="/ops", run=requests, level=Level.ADMIN, query=RequestsQuery),
    Page(path="/ops/requests/<request_id>", run=request, level=Level.ADMIN),
    Page(path="/ops/hits", run=hits, level=Level.ADMIN),
)
