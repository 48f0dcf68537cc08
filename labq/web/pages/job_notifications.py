"""`/jobs/N/notifications`: the callbacks and mails of a job, with every attempt."""

from __future__ import annotations

from labq.services import deliveries, job_view
from labq.web.endpoint import Call, Page
from labq.web.rendering import render


def index(call: Call, job_id: int) -> str:
    """List the notifications."""
    found = job_view.find(call.session, call.viewer, job_id)
    made = deliveries.find_of_job(call.session, job_id)
    return render(call, "job_notifications.html", job=found, tab="notifications", made=made)


PAGES = (Page(path="/jobs/<id:job_id>/notifications", run=index),)
