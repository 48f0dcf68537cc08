"""`/jobs/N/results`: the test cases of a job by suite and set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from pydantic import field_validator

from labq.domain.verdicts import Verdict
from labq.services import case_list, job_view
from labq.services.export import ExportedCase
from labq.services.job_view import SuiteCount
from labq.web.endpoint import Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import Share, render, shares

FORMATS = ("json", "yaml", "csv", "junit")


class ResultsQuery(Input):
    """The filter form's fields."""

    suite: Text | None = None
    verdict: Verdict | None = None
    after: Text | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """Cases of one suite and set that stand together."""

    suite: str
    test_set: str | None
    cases: tuple[ExportedCase, ...]


def results(call: Call, job_id: int, query: ResultsQuery) -> str:
    """Show a page of cases."""
    found = job_view.find(call.session, call.viewer, job_id)
    page = case_list.find_page(
        call.session, job_id, suite=query.suite, verdict=query.verdict, after=query.after
    )
    return render(
        call,
        "job_results.html",
        job=found,
        tab="results",
        bars={suite.name: _bar(suite) for suite in found.suites},
        groups=_groups(page.items),
        query=query,
        verdicts=tuple(Verdict),
        formats=FORMATS,
        next=_address(job_id, query, page.next) if page.next else None,
        first=_address(job_id, query, None) if query.after else None,
    )


def _bar(suite: SuiteCount) -> list[Share]:
    return shares(
        (
            ("good", suite.passed),
            ("bad", suite.failed),
            ("warn", suite.skipped),
            ("idle", suite.unknown),
        )
    )


def _groups(cases: Iterable[ExportedCase]) -> list[CaseGroup]:
    by_place = groupby(cases, key=lambda case: (case.suite, case.test_set))
    return [CaseGroup(suite, name, tuple(group)) for (suite, name), group in by_place]


def _address(job_id: int, query: ResultsQuery, after: str | None) -> str:
    kept = query.model_dump(mode="json", exclude_none=True, exclude={"after"})
    if after is not None:
        kept["after"] = after
    return f"/jobs/{job_id}/results?{urlencode(kept)}"


PAGES = (Page(path="/jobs/<id:job_id>/results", run=results, query=ResultsQuery),)
