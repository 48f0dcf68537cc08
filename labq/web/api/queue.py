"""The queue: what waits for which device type, and the waiting jobs of one type in their order."""

from __future__ import annotations

from labq.services import queue_view
from labq.services.paging import Page
from labq.services.queue_view import Backlog, WaitingRow
from labq.web.endpoint import Call, Endpoint
from labq.web.parsing import PageQuery


def index(call: Call) -> tuple[Backlog, ...]:
    """Return the backlog by device type."""
    return queue_view.find_backlog(call.session, call.viewer)


def show(call: Call, name: str, query: PageQuery) -> Page[WaitingRow]:
    """List the waiting jobs of a device type."""
    return queue_view.find_waiting(
        call.session, call.viewer, name, after=query.after, limit=query.limit
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/queue",
        summary="Show how many jobs wait for each device type",
        run=index,
        may_lag=True,
        answer=tuple[Backlog, ...],
    ),
    Endpoint(
        method="GET",
        path="/queue/<name>",
        summary="List the jobs that wait for a device type, in order, with what each waits for",
        run=show,
        may_lag=True,
        query=PageQuery,
        answer=Page[WaitingRow],
    ),
)
