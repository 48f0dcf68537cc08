"""Test cases of all jobs: a search that an index answers, or an error that says which it would."""

from __future__ import annotations

from pydantic import Field

from labq.domain.verdicts import Verdict
from labq.services import case_search
from labq.services.case_search import CaseFilter, FoundCase
from labq.services.paging import Page
from labq.web.endpoint import Call, Endpoint
from labq.web.parsing import Moment, PageQuery, Text


class CaseQuery(PageQuery):
    """What to search for: a name, or the result `fail`; a moment without a zone is UTC."""

    name: Text | None = Field(default=None, description="the whole name of the case")
    result: Verdict | None = Field(default=None, description="`fail` needs no name")
    suite: Text | None = Field(default=None, description="the whole name of the suite")
    since: Moment | None = Field(
        default=None, description="of jobs submitted on that day or later; else of the last 14 days"
    )


def index(call: Call, query: CaseQuery) -> Page[FoundCase]:
    """Search test cases."""
    wanted = CaseFilter(name=query.name, verdict=query.result, suite=query.suite, since=query.since)
    return case_search.find_page(
        call.session, call.viewer, wanted, now=call.now, after=query.after, limit=query.limit
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/cases",
        summary="Search test cases of all jobs, by name or as failures, the newest jobs first",
        run=index,
        may_lag=True,
        query=CaseQuery,
        answer=Page[FoundCase],
    ),
)
