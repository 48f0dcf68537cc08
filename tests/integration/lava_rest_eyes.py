"""What a viewer of a lab is shown of its jobs by LAVA's REST API."""

from __future__ import annotations

import re
from typing import Any

from labq.web.lava import rest
from labq.web.lava.rest.route import PREFIX, Route
from tests.integration.hidden_jobs import NO_JOB, TAG, HiddenJob, HiddenLab, Kind
from tests.integration.web_site import Site

WAITING, RUNNING, FAILED = ({kind} for kind in (Kind.WAITING, Kind.RUNNING, Kind.FAILED))
ALL, ON_BOARD = WAITING | RUNNING | FAILED, RUNNING | FAILED
LISTS: dict[str, set[Kind]] = {
    "": ALL,
    "limit=1000&offset=0&ordering=id": ALL,
    "ordering=-submit_time": ALL,
    "ordering=end_time": ALL,
    "state=Submitted": WAITING,
    "state__in=Submitted,Running": WAITING | RUNNING,
    "state=Finished": FAILED,
    "health=Incomplete": FAILED,
    "health=Incomplete&requested_device_type=shell": FAILED,
    "requested_device_type=shell": ALL,
    "requested_device_type__name__startswith=sh": ALL,
    "actual_device=board-1": ON_BOARD,
    "actual_device__hostname__contains=board": ON_BOARD,
    "actual_device__worker_host=rack": ON_BOARD,
    "tags__name=" + TAG: ALL,
    "metadata__branch=main": ALL,
    "metadata__branch__startswith=ma": ALL,
    "description__icontains=SMOKE": ALL,
    "priority=50": ALL,
    "id__gt=0": ALL,
    "start_time__isnull=true": WAITING,
    "submitter__username__startswith=user": ALL,
}
"""Lists of jobs, with the kinds that they show."""
_OF_A_JOB = re.compile(r"<id:job>")
_SAMPLES = {"host": "rack", "name": "shell", "device": "board-1", "right": "1", "user": "1"}


def check(lab: HiddenLab, site: Site, number: int | None) -> None:
    """Compare all that is shown with what the rule says."""
    for query, kinds in LISTS.items():
        answer = _ask(lab, site, number, f"jobs/?{query}")
        expected = lab.visible(number, kinds)
        assert {job["id"] for job in answer.json["results"]} == expected, f"{query}: {number}"
        assert lab.shown(answer.text) == expected, f"{query}: {number}"
        assert answer.json["count"] == len(expected), f"{query}: {number}"
    for route in rest.ROUTES:
        if route.method != "GET":
            continue
        if not _OF_A_JOB.search(route.path):
            _check_rest(lab, site, number, route)
            continue
        for job in lab.jobs[::2]:
            _check_job(lab, site, number, route, job)


def _check_job(
    lab: HiddenLab, site: Site, number: int | None, route: Route, job: HiddenJob
) -> None:
    """Compare what is answered for a job with what is answered for one that never was."""
    is_seen = job.id in lab.visible(number, {job.draft.kind}) and job.draft.kind in ALL
    if route.is_change and is_seen:
        return
    found, missing = (
        _ask(lab, site, number, _filled(route.path, one), None) for one in (job.id, NO_JOB)
    )
    if is_seen and job.draft.kind in FAILED and "<id:" not in route.path.replace("<id:job>", ""):
        assert found.status_code == 200, f"{route.path}: {found.text}"
    elif not is_seen:
        assert (found.status_code, found.text) == (missing.status_code, missing.text), route.path


def _check_rest(lab: HiddenLab, site: Site, number: int | None, route: Route) -> None:
    """Look for any job in what should show none, or the board's last check."""
    if route.path == "jobs/":
        return
    answer = _ask(lab, site, number, _filled(route.path, NO_JOB), None)
    assert answer.status_code != 500, answer.text
    assert lab.shown(answer.text) == set(), route.path


def _filled(path: str, job: int) -> str:
    named = path.replace("<id:job>", str(job))
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: _SAMPLES.get(found[1], "1"), named)


def _ask(
    lab: HiddenLab, site: Site, number: int | None, address: str, status: int | None = 200
) -> Any:
    answer = site.client.get(PREFIX + address, headers=dict(lab.headers(number)), buffered=True)
    assert status is None or answer.status_code == status, f"{address}: {answer.text}"
    return answer
