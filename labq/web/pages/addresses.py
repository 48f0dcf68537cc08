"""Addresses that others know: LAVA's, which clients link to (the browser keeps `#L<line>`)."""

from __future__ import annotations

from flask import Response

from labq.web.endpoint import Call, Page


def job(call: Call, job_id: int) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from LAVA's address of a job to ours."""
    return _moved(f"/jobs/{job_id}")


def results(call: Call, job_id: int) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from LAVA's address of a job's results to ours."""
    return _moved(f"/jobs/{job_id}/results")


def device(call: Call, name: str) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from LAVA's address of a device to ours."""
    return _moved(f"/devices/{name}")


def icon(call: Call) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from where browsers look for an icon to ours."""
    return _moved("/static/icon.svg")


def _moved(target: str) -> Response:
    return Response(status=302, headers={"Location": target})


PAGES = (
    Page(path="/scheduler/job/<id:job_id>", run=job),
    Page(path="/results/<id:job_id>", run=results),
    Page(path="/scheduler/device/<name>", run=device),
    Page(path="/favicon.ico", run=icon),
)
