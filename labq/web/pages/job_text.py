"""`/jobs/N/definition`, `/device`, `/plan`: the texts that belong to a job."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.services import job_texts, job_view
from labq.services.visibility import Viewer
from labq.web.endpoint import Call, Page
from labq.web.rendering import render

MOST_CHARACTERS = 80_000
Find = Callable[[Session, Viewer, int], str]


def definition(call: Call, job_id: int) -> str:
    """Show the definition as submitted."""
    return _page(call, job_id, "definition", job_texts.find_definition)


def device(call: Call, job_id: int) -> str:
    """Show the device dictionary that the run was planned with."""
    return _page(call, job_id, "device", job_texts.find_dictionary)


def plan(call: Call, job_id: int) -> str:
    """Show the plan."""
    return _page(call, job_id, "plan", job_texts.find_plan)


def _page(call: Call, job_id: int, tab: str, find: Find) -> str:
    found = job_view.find(call.session, call.viewer, job_id)
    try:
        text, reason = find(call.session, call.viewer, job_id), ""
    except NotFoundError as error:
        text, reason = "", str(error)
    return render(
        call,
        "job_text.html",
        job=found,
        tab=tab,
        text=text[:MOST_CHARACTERS],
        is_cut=len(text) > MOST_CHARACTERS,
        reason=reason,
    )


PAGES = (
    Page(path="/jobs/<id:job_id>/definition", run=definition),
    Page(path="/jobs/<id:job_id>/device", run=device),
    Page(path="/jobs/<id:job_id>/plan", run=plan),
)
