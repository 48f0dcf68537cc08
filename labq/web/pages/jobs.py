"""`/jobs`: the list of jobs with its search box; `?mine=1` is "my jobs"."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlencode

from flask import Response
from pydantic import model_validator
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError
from labq.services import job_list, job_search
from labq.services.database import unless_slow
from labq.services.job_list import ME, Count, JobRow
from labq.services.job_search import JobSearch
from labq.services.paging import Page as Rows
from labq.services.paging import encode_key
from labq.web.endpoint import HTML, Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render

TIMES = (
    ("1d", "a day"),
    ("7d", "7 days"),
    ("14d", "14 days"),
    ("31d", "31 days"),
    ("365d", "a year"),
    (job_search.ALL, "all"),
)
_SHORT = {"device_type": "type"}


class JobsQuery(Input):
    """The search, and fields that become terms of it, so that links can name them one by one."""

    q: Text = ""
    name: Text | None = None
    state: Text | None = None
    outcome: Text | None = None
    device_type: Text | None = None
    device: Text | None = None
    host: Text | None = None
    submitter: Text | None = None
    mine: bool = False
    count: bool = False
    after: Text | None = None
    before: Text | None = None

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        if self.after is not None and self.before is not None:
            message = "a page is after a key or before one"
            raise ValueError(message)
        return self

    def text(self, *, is_anonymous: bool) -> str:
        """Return all that is asked for as one search."""
        text = self.q.strip()
        fields = ("name", "state", "outcome", "device_type", "device", "host", "submitter")
        for name in fields:
            value = getattr(self, name)
            if value:
                text = job_search.with_term(text, _SHORT.get(name, name), value)
        is_mine = self.mine and not is_anonymous
        return job_search.with_term(text, "submitter", ME) if is_mine else text


def jobs(call: Call, query: JobsQuery) -> str | Response:
    """Show the newest jobs that fit, or what is wrong with the search."""
    text = query.text(is_anonymous=call.viewer.is_anonymous)
    try:
        search = job_search.parse(text, call.now)
    except InvalidInputError as error:
        page = _render(call, text, problems=error.problems)
        return Response(page, 400, content_type=f"{HTML}; charset=utf-8")
    return _list(call, text, search, query)


def _list(call: Call, text: str, search: JobSearch, query: JobsQuery) -> str:
    """Return the page with the jobs, and links to the pages above and below."""
    found = unless_slow(lambda: _find(call, search, query))
    newer, older = _neighbours(found, query) if found else (None, None)
    count = unless_slow(lambda: _count(call, search)) if query.count else None
    return _render(
        call,
        text,
        search=search,
        page=found,
        count=count,
        counting=None if query.count else _address(text, count="1"),
        first=_address(text) if query.after or query.before else None,
        newer=_address(text, before=newer) if newer else None,
        next=_address(text, after=older) if older else None,
    )


def _find(call: Call, search: JobSearch, query: JobsQuery) -> Rows[JobRow]:
    def load(session: Session) -> Rows[JobRow]:
        wanted, window, before = search.wanted, search.window, query.before
        if before is not None:
            return job_list.find_newer_page(
                session, call.viewer, wanted, before=before, window=window
            )
        return job_list.find_page(session, call.viewer, wanted, after=query.after, window=window)

    return call.attempt(load)


def _neighbours(found: Rows[JobRow], query: JobsQuery) -> tuple[str | None, str | None]:
    """Return the keys of the page above and of the one below, None where there is none."""
    top = encode_key(found.items[0].id) if found.items else None
    bottom = encode_key(found.items[-1].id) if found.items else query.before
    if query.before is not None:
        return found.next, bottom
    return (top if query.after is not None else None), found.next


def _count(call: Call, search: JobSearch) -> Count:
    return call.attempt(
        lambda session: job_list.count(session, call.viewer, search.wanted, window=search.window)
    )


def _render(call: Call, text: str, search: JobSearch | None = None, **values: object) -> str:
    times = [(label, _address(job_search.with_since(text, value))) for value, label in TIMES]
    return render(
        call,
        "jobs.html",
        text=text,
        is_mine=text == job_search.with_term("", "submitter", ME),
        fields=job_search.FIELDS,
        longest=job_search.LONGEST,
        times=times,
        window=_window(search) if search else "",
        search=search,
        **{"problems": (), **values},
    )


def _window(search: JobSearch) -> str:
    """Say from which time jobs are shown."""
    since, until = search.wanted.since, search.wanted.until
    if since is not None or until is not None:
        begin = f"from {since:%Y-%m-%d %H:%M}" if since else ""
        end = f" until {until:%Y-%m-%d %H:%M}" if until else ""
        return f"Submitted {begin}{end} UTC".replace("  ", " ")
    if search.window is None or search.wanted.id is not None or search.wanted.is_of_unfinished:
        return "Of all times"
    return f"Submitted in the last {search.window.days} days"


def _address(text: str, **more: str) -> str:
    kept = {**({"q": text} if text else {}), **more}
    return f"/jobs?{urlencode(kept)}" if kept else "/jobs"


PAGES = (Page(path="/jobs", run=jobs, query=JobsQuery, may_lag=True),)
