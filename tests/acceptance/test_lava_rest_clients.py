"""What KernelCI, SQUAD and lava-api ask of LAVA's REST API, in their order, of a whole labq."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.acceptance.conftest import Lab
from tests.lab.client import Answer, Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say
from tests.lab.waiting import until

API = "/api/v0.2/"
SECONDS = 120.0


class Rest:
    """A client with LAVA's kind of header, which follows redirects as clients do."""

    def __init__(self, lab: Lab, token: str | None = None) -> None:
        self.link = Client(lab.server.url)
        given = lab.server.token if token is None else token
        self.headers = {"Authorization": f"Token {given}"} if given else {}

    def close(self) -> None:
        self.link.close()

    def get(self, path: str) -> Answer:
        answer = self.link.ask("GET", API + path, headers=self.headers)
        if answer.status != 301:
            return answer
        parts = urlsplit(answer.headers["Location"])
        address = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self.link.ask("GET", address, headers=self.headers)

    def post(self, path: str, value: object) -> Answer:
        headers = {**self.headers, "Content-Type": "application/json"}
        return self.link.ask("POST", API + path, json.dumps(value).encode(), headers)

    def post_form(self, path: str, **values: str) -> Answer:
        headers = {**self.headers, "Content-Type": "application/x-www-form-urlencoded"}
        return self.link.ask("POST", API + path, urlencode(values).encode(), headers)

    def finished(self, job: int) -> Any:
        def is_over() -> Any:
            shown = self.get(f"jobs/{job}").json
            return shown if shown["state"] == "Finished" else None

        return until(is_over, f"job {job} is over", SECONDS)


@pytest.fixture
def rest(lab: Lab) -> Iterator[Rest]:
    with closing(Rest(lab)) as found:
        yield found


def test_a_ci_system_submits_json_polls_and_counts_what_waits(rest: Rest) -> None:
    submitted = rest.post("jobs/?format=json&limit=256", {"definition": shell_job(say("true"))})
    assert submitted.status == 201, submitted.text
    (job,) = submitted.json["job_ids"]
    assert rest.finished(job)["health"] == "Complete"
    devices = rest.get("devices/?device_type=shell&limit=256").json
    assert {device["device_type"] for device in devices["results"]} == {"shell"}
    assert {device["health"] for device in devices["results"]} <= {"Good", "Unknown"}
    waiting = rest.get("jobs/?state=Submitted&requested_device_type=fastboot&limit=1").json
    assert waiting == {"count": 0, "next": None, "previous": None, "results": []}
    broken = rest.post("jobs/", {"definition": "job_name: x\n"})
    assert broken.status == 400
    assert "device_type" in broken.json["message"] or "timeouts" in broken.json["message"]


def test_a_result_collector_posts_forms_and_reads_log_suites_and_tests(rest: Rest) -> None:
    submitted = rest.post_form("jobs/", definition=shell_job(say("true")))
    assert submitted.status == 201, submitted.text
    (job,) = submitted.json["job_ids"]
    assert rest.post_form(f"jobs/{job}/cancel/").status == 200
    assert rest.finished(job)["health"] in {"Canceled", "Complete"}
    again = rest.post_form(f"jobs/{job}/resubmit/").json
    (second,) = again["job_ids"]
    assert rest.finished(second)["health"] == "Complete"
    until(lambda: rest.get(f"jobs/{second}/logs/?start=2").status == 200, "a log", SECONDS)
    log = rest.get(f"jobs/{second}/logs/?start=0&end=2")
    assert log.text.startswith('- {"dt": ')
    assert log.text.count("\n") == 2
    assert rest.get(f"jobs/{second}/logs/?start=2&end=1").status == 404
    suites = rest.get(f"jobs/{second}/suites/").json["results"]
    own = next(suite for suite in suites if suite["name"] == "lava")
    cases = rest.get(f"jobs/{second}/suites/{own['id']}/tests").json["results"]
    job_case = next(case for case in cases if case["name"] == "job")
    assert job_case["result"] == "pass"
    assert job_case["resource_uri"].endswith(f"/suites/{own['id']}/tests/{job_case['id']}/")
    assert "case: job" in job_case["metadata"]
    for form in ("junit", "tap13", "csv", "yaml"):
        assert "job" in rest.get(f"jobs/{second}/{form}/?classname_prefix=x").text, form
    config = rest.get("system/master_config/").json
    assert set(config) == {"EVENT_SOCKET", "EVENT_TOPIC", "EVENT_NOTIFICATION", "LOG_SIZE_LIMIT"}


def test_a_library_pages_through_everything_without_a_gap(lab: Lab, rest: Rest) -> None:
    assert rest.get("tags/").json["next"] is None
    names = [one["hostname"] for one in rest.get("devices/?ordering=hostname").json["results"]]
    assert names == sorted(names)
    assert names
    page = rest.get("jobs/?ordering=id&limit=2&state__in=Finished").json
    shown = [job["id"] for job in page["results"]]
    while page["next"]:
        page = rest.get(page["next"].partition(API)[2]).json
        shown += [job["id"] for job in page["results"]]
    assert shown == sorted(set(shown))
    assert page["count"] == len(shown)
    (worker,) = rest.get("workers/").json["results"]
    assert (worker["state"], worker["health"]) == ("Online", "Active")
    with closing(Rest(lab, "")) as stranger, closing(Rest(lab, "wrong")) as liar:
        assert stranger.get("jobs/?limit=1").status == 200
        assert stranger.post("jobs/", {"definition": "x"}).status == 403
        refused = liar.get("jobs/")
    assert (refused.status, refused.json) == (403, {"detail": "Invalid token."})
