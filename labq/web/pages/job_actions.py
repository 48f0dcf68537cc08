"""`POST /jobs/N/cancel` and `/resubmit`: the buttons of a job's page."""

from __future__ import annotations

from flask import Response

from labq.services import jobs
from labq.web.endpoint import Call, Level, Page


def cancel(call: Call, job_id: int) -> Response:
    """Cancel the job and show it."""
    jobs.cancel(call.session, job_id, user=call.viewer, now=call.now)
    return _to(job_id)


def resubmit(call: Call, job_id: int) -> Response:
    """Submit the job's definition again and show the new job."""
    return _to(jobs.resubmit(call.session, job_id, user=call.viewer, now=call.now))


def _to(job_id: int) -> Response:
    return Response(status=303, headers={"Location": f"/jobs/{job_id}"})


PAGES = (
    Page(path="/jobs/<id:job_id>/cancel", run=cancel, method="POST", level=Level.USER),
    Page(path="/jobs/<id:job_id>/resubmit", run=resubmit, method="POST", level=Level.USER),
)
