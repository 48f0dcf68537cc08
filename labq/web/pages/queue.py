"""`/queue`: what waits for which device type; `?type=` has its jobs in order, and why they wait."""

from __future__ import annotations

from urllib.parse import urlencode

from labq.services import queue_view
from labq.services.database import unless_slow
from labq.services.paging import Page as Rows
from labq.services.queue_view import Backlog, WaitingRow
from labq.web.endpoint import Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class QueueQuery(Input):
    """Whose queue: without a type the longest one is shown."""

    type: Text = ""
    after: Text | None = None


def queue(call: Call, query: QueueQuery) -> str:
    """Show the backlog by type, and one type's jobs."""
    backlog = unless_slow(lambda: _backlog(call))
    chosen = query.type or _longest(backlog or ())
    page = unless_slow(lambda: _find(call, chosen, query.after)) if chosen else Rows(())
    return render(
        call,
        "queue.html",
        backlog=backlog,
        chosen=chosen,
        page=page,
        first=_address(chosen) if query.after else None,
        next=_address(chosen, page.next) if page and page.next else None,
    )


def _backlog(call: Call) -> tuple[Backlog, ...]:
    return call.attempt(lambda session: queue_view.find_backlog(session, call.viewer))


def _longest(backlog: tuple[Backlog, ...]) -> str:
    return backlog[0].device_type if backlog and backlog[0].waiting else ""


def _find(call: Call, chosen: str, after: str | None) -> Rows[WaitingRow]:
    return call.attempt(
        lambda session: queue_view.find_waiting(session, call.viewer, chosen, after=after)
    )


def _address(chosen: str, after: str | None = None) -> str:
    return "/queue?" + urlencode({"type": chosen, **({"after": after} if after else {})})


PAGES = (Page(path="/queue", run=queue, query=QueueQuery, may_lag=True),)
