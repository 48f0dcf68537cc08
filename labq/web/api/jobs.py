"""Jobs: list and show. What changes them is in `job_changes`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Response
from pydantic import Field

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.states import JobState, Outcome
from labq.services import job_list, job_search, job_texts, job_view
from labq.services.job_list import ME, Count, JobFilter, JobRow
from labq.services.job_search import JobSearch
from labq.services.job_view import JobView
from labq.services.paging import Page
from labq.web.endpoint import JSON, TEXT, YAML, Call, Endpoint
from labq.web.parsing import Input, Moment, PageQuery, Text

_ANY = JobFilter()


class JobsWanted(Input):
    """Which jobs; a moment without a zone is UTC."""

    q: Text | None = Field(
        default=None,
        description="a search as in the box of the page /jobs: `type:rk3399 outcome:incomplete since:14d`;"
        " fields:" + "".join(f" `{one.example}` {one.meaning}." for one in job_search.FIELDS),
    )
    state: list[JobState] = Field(default=[], description="any of these; may be repeated")
    outcome: list[Outcome] = Field(default=[], description="any of these; may be repeated")
    device_type: Text | None = None
    device: Text | None = None
    host: Text | None = None
    submitter: Text | None = Field(default=None, description=f"a user's name, or `{ME}`")
    since: Moment | None = Field(default=None, description="submitted at or after")
    until: Moment | None = Field(default=None, description="submitted before")
    name: Text | None = Field(default=None, max_length=200, description="part of the name")
    tag: Text | None = None
    priority: int | None = Field(default=None, ge=0, le=100)

    def search(self, now: datetime) -> JobSearch:
        """Return the search, narrowed by the other fields; raises InvalidInputError."""
        search = job_search.parse(self.q or "", now)
        given = self._given()
        clashes = [name for name in given if getattr(search.wanted, name) != getattr(_ANY, name)]
        if clashes:
            raise InvalidInputError([Problem(name, "is in `q` too") for name in clashes])
        return replace(search, wanted=replace(search.wanted, **given))

    def _given(self) -> dict[str, Any]:
        """Return what the fields beside `q` ask for, by the names of the filter."""
        given = {
            "states": tuple(self.state),
            "outcomes": tuple(self.outcome),
            "device_type": self.device_type,
            "device": self.device,
            "host": self.host,
            "submitter": self.submitter,
            "since": self.since,
            "until": self.until,
            "name": self.name,
            "tag": self.tag,
            "priority": self.priority,
        }
        return {name: value for name, value in given.items() if value not in (None, ())}


class JobQuery(JobsWanted, PageQuery):
    """Which jobs, and which page of them."""


def index(call: Call, query: JobQuery) -> Page[JobRow]:
    """List jobs."""
    search = query.search(call.now)
    return job_list.find_page(
        call.session,
        call.viewer,
        search.wanted,
        after=query.after,
        limit=query.limit,
        window=search.window,
    )


def count(call: Call, query: JobsWanted) -> Count:
    """Count jobs, MOST_COUNTED at most."""
    search = query.search(call.now)
    return job_list.count(call.session, call.viewer, search.wanted, window=search.window)


def show(call: Call, job: int) -> JobView:
    """Show one job."""
    return job_view.find(call.session, call.viewer, job)


def definition(call: Call, job: int) -> Response:
    """Return the definition as submitted."""
    text = job_texts.find_definition(call.session, call.viewer, job)
    return Response(text, content_type=f"{TEXT}; charset=utf-8")


def plan(call: Call, job: int) -> Response:
    """Return the plan's JSON."""
    return Response(job_texts.find_plan(call.session, call.viewer, job), content_type=JSON)


def dictionary(call: Call, job: int) -> Response:
    """Return the rendered device dictionary."""
    text = job_texts.find_dictionary(call.session, call.viewer, job)
    return Response(text, content_type=f"{YAML}; charset=utf-8")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs",
        summary="List jobs, the newest first",
        run=index,
        may_lag=True,
        is_one_look=True,
        query=JobQuery,
        answer=Page[JobRow],
    ),
    Endpoint(
        method="GET",
        path="/jobs/count",
        summary=f"Count the jobs of a list, up to {job_list.MOST_COUNTED}",
        run=count,
        may_lag=True,
        is_one_look=True,
        query=JobsWanted,
        answer=Count,
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>",
        summary="Show a job with its runs, steps, timings and suites",
        run=show,
        answer=JobView,
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/definition",
        summary="Return the definition as submitted",
        run=definition,
        media=(TEXT,),
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/plan",
        summary="Return the latest run's plan, secrets masked",
        run=plan,
    ),
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/device",
        summary="Return the device dictionary that the latest run was planned with",
        run=dictionary,
        media=(YAML,),
    ),
)
