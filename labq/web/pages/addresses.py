"""Addresses that others know: LAVA's, which clients link to (the browser keeps `#L<line>`)."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from flask import Response

from labq.domain.errors import ForbiddenError, NotFoundError
from labq.services import job_brief, job_cases, job_view
from labq.web.endpoint import Call, Page


def job(call: Call, job: str) -> Response:
    """Lead from LAVA's address of a job to ours."""
    return _moved(f"/jobs/{_number(call, job)}")


def results(call: Call, job: str) -> Response:
    """Lead from LAVA's address of a job's results to ours."""
    return _moved(f"/jobs/{_number(call, job)}/results")


def suite(call: Call, job: str, suite: str) -> Response:
    """Lead from LAVA's address of a suite to ours."""
    return _moved(f"/jobs/{_number(call, job)}/results?{urlencode({'suite': suite})}")


def case(call: Call, case: int) -> Response:
    """Lead from LAVA's address of a test case to its suite."""
    found = job_cases.find_address(call.session, call.viewer, case)
    if found is None:
        message = f"there is no test case {case}, or you may not see it"
        raise NotFoundError(message)
    return _moved(f"/jobs/{found.job}/results?{urlencode({'suite': found.suite})}")


def device(call: Call, name: str) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from LAVA's address of a device to ours."""
    return _moved(f"/devices/{quote(name, safe='')}")


def device_type(call: Call, name: str) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from LAVA's address of a device type to ours."""
    return _moved(f"/device-types/{quote(name, safe='')}")


def icon(call: Call) -> Response:  # noqa: ARG001 - every page gets the call
    """Lead from where browsers look for an icon to ours."""
    return _moved("/static/icon.svg")


def _number(call: Call, text: str) -> str:
    """Return the number of a job as LAVA writes it: for a member of a group `N.M` is looked up."""
    if text.isascii() and text.isdigit():
        return text
    try:
        return str(job_brief.find(call.session, call.viewer, text).id)
    except (ForbiddenError, NotFoundError) as error:
        raise job_view.missing(text) from error


def _moved(target: str) -> Response:
    return Response(status=302, headers={"Location": target})


PAGES = (
    Page(path="/scheduler/job/<job>", run=job),
    Page(path="/results/<job>", run=results),
    Page(path="/results/<job>/<suite>", run=suite),
    Page(path="/results/testcase/<id:case>", run=case),
    Page(path="/scheduler/device/<name>", run=device),
    Page(path="/scheduler/device_type/<name>", run=device_type),
    Page(path="/favicon.ico", run=icon),
)
