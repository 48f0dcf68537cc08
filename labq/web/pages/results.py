"""`/results`: test cases of all jobs, by name or as failures."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from flask import Response
from pydantic import Field, field_validator

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.verdicts import Verdict
from labq.services import case_search
from labq.services.case_search import CaseFilter, FoundCase
from labq.services.database import unless_slow
from labq.services.paging import Page as Rows
from labq.web.endpoint import HTML, Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render

DAYS = (1, 7, 14, 31, 365)
_MOST_DAYS = 3650


class ResultsQuery(Input):
    """The search form's fields; blank ones ask nothing."""

    name: Text | None = Field(default=None, max_length=500)
    suite: Text | None = Field(default=None, max_length=500)
    verdict: Verdict | None = None
    days: int = Field(default=case_search.WINDOW.days, ge=1, le=_MOST_DAYS)
    after: Text | None = None

    @field_validator("name", "suite", "verdict", "after", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked for."""
        return self.name is None and self.suite is None and self.verdict is None


def results(call: Call, query: ResultsQuery) -> str | Response:
    """Show cases that fit, the newest jobs first; at first those that failed."""
    asked = query.model_copy(update={"verdict": Verdict.FAIL}) if query.is_empty else query
    try:
        found = unless_slow(lambda: _find(call, asked))
    except InvalidInputError as error:
        page = _render(call, asked, problems=error.problems)
        return Response(page, 400, content_type=f"{HTML}; charset=utf-8")
    return _render(call, asked, page=found)


def _find(call: Call, query: ResultsQuery) -> Rows[FoundCase]:
    wanted = CaseFilter(
        name=query.name,
        suite=query.suite,
        verdict=query.verdict,
        since=call.now - timedelta(days=query.days),
    )
    return call.attempt(
        lambda session: case_search.find_page(
            session, call.viewer, wanted, now=call.now, after=query.after
        )
    )


def _render(
    call: Call,
    query: ResultsQuery,
    page: Rows[FoundCase] | None = None,
    problems: list[Problem] | None = None,
) -> str:
    return render(
        call,
        "results.html",
        query=query,
        page=page,
        problems=problems or [],
        verdicts=tuple(Verdict),
        days=DAYS if query.days in DAYS else (*DAYS, query.days),
        first=_address(query, None) if query.after else None,
        next=_address(query, page.next) if page and page.next else None,
    )


def _address(query: ResultsQuery, after: str | None) -> str:
    kept = query.model_dump(mode="json", exclude_none=True, exclude={"after"})
    return "/results?" + urlencode({**kept, **({"after": after} if after else {})})


PAGES = (Page(path="/results", run=results, query=ResultsQuery, may_lag=True),)
