"""`/jobs`: the list of jobs with its filters; `?mine=1` is "my jobs"."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from pydantic import field_validator

from labq.domain.states import JobState, Outcome
from labq.services import job_list
from labq.services.job_list import ME, JobFilter
from labq.web.endpoint import Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class JobsQuery(Input):
    """The filter form's fields; blank ones ask nothing."""

    name: Text | None = None
    state: JobState | None = None
    outcome: Outcome | None = None
    device_type: Text | None = None
    device: Text | None = None
    host: Text | None = None
    submitter: Text | None = None
    mine: bool = False
    after: Text | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value


def jobs(call: Call, query: JobsQuery) -> str:
    """Show the newest jobs that fit."""
    is_mine = query.mine and not call.viewer.is_anonymous
    wanted = JobFilter(
        states=(query.state,) if query.state else (),
        outcomes=(query.outcome,) if query.outcome else (),
        device_type=query.device_type,
        device=query.device,
        host=query.host,
        submitter=query.submitter,
        name=query.name,
    )
    if is_mine:
        wanted = replace(wanted, submitter=ME)
    page = job_list.find_page(call.session, call.viewer, wanted, after=query.after)
    return render(
        call,
        "jobs.html",
        jobs=page.items,
        query=query,
        is_mine=is_mine,
        states=tuple(JobState),
        outcomes=tuple(Outcome),
        first=_address(query, None) if query.after else None,
        next=_address(query, page.next) if page.next else None,
    )


def _address(query: JobsQuery, after: str | None) -> str:
    kept = query.model_dump(mode="json", exclude_defaults=True, exclude={"after"})
    if "mine" in kept:
        kept["mine"] = "1"
    if after is not None:
        kept["after"] = after
    return f"/jobs?{urlencode(kept)}"


PAGES = (Page(path="/jobs", run=jobs, query=JobsQuery, may_lag=True),)
