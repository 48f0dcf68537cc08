"""`/jobs/N/artifacts`: the files that the runs of a job left."""

from __future__ import annotations

from labq.services import artifacts, job_view
from labq.web.endpoint import Call, Page
from labq.web.rendering import render


def index(call: Call, job_id: int) -> str:
    """List the files."""
    found = job_view.find(call.session, call.viewer, job_id)
    files = artifacts.find_of_job(call.session, call.viewer, job_id)
    return render(call, "job_artifacts.html", job=found, tab="artifacts", files=files)


PAGES = (Page(path="/jobs/<id:job_id>/artifacts", run=index),)
