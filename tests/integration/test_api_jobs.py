"""Jobs over the API: lists, one job, texts, changes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from labq.domain.states import JobState, Outcome
from labq.models.job import Job
from labq.web.api.jobs import JobQuery
from tests.integration.web_site import DEFINITION, START, Person, Site

MINIMAL = """
device_type: shell
job_name: from a test
timeouts: {job: {minutes: 5}}
priority: medium
visibility: public
actions:
- deploy: {to: tmpfs, images: {rootfs: {url: "http://localhost/rootfs"}}}
"""


def statements(site: Site, action: Any) -> int:
    """Return how many statements an action sends, but those that begin and end transactions."""
    seen: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    action()
    return len(seen)


def test_a_list_is_paged_by_key_the_newest_first(site: Site, ann: Person) -> None:
    ids = [site.job(ann) for _ in range(5)]
    first = site.get("/jobs?limit=2").json
    assert [job["id"] for job in first["items"]] == [ids[4], ids[3]]
    second = site.get(f"/jobs?limit=2&after={first['next']}").json
    assert [job["id"] for job in second["items"]] == [ids[2], ids[1]]
    third = site.get(f"/jobs?limit=2&after={second['next']}").json
    assert [job["id"] for job in third["items"]] == [ids[0]]
    assert third["next"] is None


def test_filters_choose_jobs(site: Site, ann: Person, bob: Person) -> None:
    device = site.device()
    plain = site.job(ann, tags=["usb"], priority=10)
    over, _ = site.finished_job(ann, device)
    of_bob = site.job(bob, name="Kernel 6.12", submitted_at=START + timedelta(hours=1))
    expected = {
        "state=submitted": {plain, of_bob},
        "state=submitted&state=finished": {plain, of_bob, over},
        "outcome=complete": {over},
        "device=board-1": {over},
        "device=none": set(),
        "host=rack": {over},
        "device_type=shell": {plain, over, of_bob},
        "submitter=bob": {of_bob},
        "submitter=me": {plain, over},
        f"since={START:%Y-%m-%d}T09:30:00": {of_bob},
        f"until={START:%Y-%m-%d}T09:30:00%2B00:00": {plain, over},
        "name=kernel": {of_bob},
        "name=%25": set(),
        "tag=usb": {plain},
        "priority=10": {plain},
    }
    for query, ids in expected.items():
        found = site.get(f"/jobs?{query}", ann).json["items"]
        assert {job["id"] for job in found} == ids, query
    assert site.get("/jobs?submitter=me").json["items"] == []


def test_a_hidden_job_is_nowhere_for_others(site: Site, ann: Person, bob: Person) -> None:
    device = site.device()
    job, _ = site.finished_job(ann, device)
    site.hide(job, site.group("kernel", ann))
    paths = ("", "/definition", "/plan", "/device", "/log", "/log/raw", "/log/live", "/results")
    for path in paths:
        for person in (None, bob):
            assert site.get(f"/jobs/{job}{path}", person).status_code == 404, path
        assert site.get(f"/jobs/{job}{path}", ann).status_code in {200, 307}, path
    for action in ("cancel", "resubmit"):
        assert site.send("POST", f"/jobs/{job}/{action}", bob).status_code == 404
    assert site.get("/jobs", bob).json["items"] == []
    assert [each["id"] for each in site.get("/jobs", ann).json["items"]] == [job]


def test_a_job_shows_its_runs_steps_timings_and_suites(site: Site, ann: Person) -> None:
    job, run = site.finished_job(ann, site.device())
    shown = site.get(f"/jobs/{job}", ann).json
    assert shown["queue_wait_seconds"] == 1.0
    assert shown["duration_seconds"] == 10.0
    assert shown["device"] == "board-1"
    assert shown["host"] == "rack"
    assert shown["may_change"] is True
    assert shown["viewing_groups"] is None
    assert [each["id"] for each in shown["runs"]] == [run]
    (step,) = shown["runs"][0]["steps"]
    assert (step["slot_wait_seconds"], step["duration_seconds"]) == (0.25, 3.0)
    (suite,) = shown["suites"]
    assert suite == {"name": "0_smoke", "passed": 1, "failed": 1, "skipped": 0, "unknown": 0}
    assert site.get(f"/jobs/{job}").json["may_change"] is False


def test_hot_reads_take_few_statements(site: Site, ann: Person) -> None:
    device = site.device()
    jobs = [site.finished_job(ann, device)[0] for _ in range(3)]
    site.get("/jobs", ann)  # opens the connection and notes the use of the token
    assert statements(site, lambda: site.get("/jobs?submitter=me&device=board-1", ann)) <= 3
    # One of them is for the tag of a job that is over.
    assert statements(site, lambda: site.get(f"/jobs/{jobs[0]}", ann)) <= 6
    assert statements(site, lambda: site.get("/jobs")) <= 2


def test_texts_of_a_job_are_returned(site: Site, ann: Person) -> None:
    plan = {
        "masks": ["hunter2", "hunter"],
        "steps": [{"headers": {"a": "x hunter2"}}],
        "dictionary": {"console": "telnet", "key": "hunter"},
    }
    job, _ = site.finished_job(ann, site.device(), json.dumps(plan))
    assert site.get(f"/jobs/{job}/definition").text == DEFINITION
    shown = site.get(f"/jobs/{job}/plan")
    assert shown.content_type == "application/json"
    assert shown.json["steps"] == [{"headers": {"a": "x [MASKED]"}}]
    assert "hunter" not in shown.text
    dictionary = site.get(f"/jobs/{job}/device")
    assert dictionary.text == "console: telnet\nkey: '[MASKED]'\n"


def test_a_job_without_a_device_has_no_plan_yet(site: Site, ann: Person) -> None:
    job = site.job(ann)
    answer = site.get(f"/jobs/{job}/plan")
    assert answer.status_code == 404
    assert "no plan yet" in answer.json["detail"]


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml; charset=utf-8"])
def test_a_definition_is_submitted_as_it_is(site: Site, ann: Person, kind: str) -> None:
    site.device()
    answer = site.send("POST", "/jobs", ann, data=MINIMAL, content_type=kind)
    assert answer.status_code == 201, answer.text
    job = answer.json["id"]
    assert answer.json["url"] == f"http://localhost/jobs/{job}"
    assert site.get(f"/jobs/{job}/definition").text == MINIMAL
    assert site.get(f"/jobs/{job}").json["submitter"] == "ann"


def test_options_go_beside_the_definition(site: Site, ann: Person) -> None:
    site.device()
    options = {"priority": 90, "queue_seconds": 60}
    answer = site.send("POST", "/jobs", ann, json={"definition": MINIMAL, "options": options})
    assert answer.status_code == 201, answer.text
    shown = site.get(f"/jobs/{answer.json['id']}").json
    assert shown["priority"] == 90
    assert shown["queue_until"] is not None


def test_a_submission_costs_few_statements(site: Site, ann: Person) -> None:
    site.device()
    site.get("/jobs", ann)
    submit = {"data": MINIMAL, "content_type": "application/yaml"}
    assert statements(site, lambda: site.send("POST", "/jobs", ann, **submit)) <= 8


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"job_name: [", ""),
        (b"- a list", ""),
        (b"job_name: \xff\xfe", "definition"),
        (b"job_name: a\x00b", None),
        (MINIMAL.replace("shell", "toaster").encode(), "device_type"),
    ],
)
def test_a_bad_definition_is_400_and_says_where(
    site: Site, ann: Person, text: bytes, path: str | None
) -> None:
    site.device()
    answer = site.send("POST", "/jobs", ann, data=text, content_type="text/yaml")
    assert answer.status_code == 400, answer.text
    assert answer.json["errors"]
    if path:
        assert path in [problem["path"] for problem in answer.json["errors"]]
    with Session(site.engine) as session:
        assert session.scalars(select(Job.id)).all() == []


def test_a_definition_over_a_mebibyte_is_413(site: Site, ann: Person) -> None:
    text = MINIMAL + "#" * 1024 * 1024
    answer = site.send("POST", "/jobs", ann, data=text, content_type="text/yaml")
    assert answer.status_code == 413
    assert "1048576" in answer.json["detail"]


def test_submitting_needs_a_user_and_a_known_type(site: Site, ann: Person) -> None:
    assert site.send("POST", "/jobs", data=MINIMAL, content_type="text/yaml").status_code == 401
    assert site.send("POST", "/jobs", ann, data=MINIMAL, content_type="a/b").status_code == 415


def test_validation_lists_all_problems_and_stores_nothing(site: Site, ann: Person) -> None:
    site.device()
    good = site.send("POST", "/jobs/validate", ann, data=MINIMAL, content_type="text/yaml")
    assert good.json == {"valid": True, "errors": []}
    bad = MINIMAL.replace("priority: medium", "priority: 1000").replace("job_name", "jobname")
    answer = site.send("POST", "/jobs/validate", ann, json={"definition": bad})
    assert answer.status_code == 200
    assert answer.json["valid"] is False
    assert len(answer.json["errors"]) >= 2
    odd = f"frobnicate: 1\n{MINIMAL}"
    for level, path in (("submit", "frobnicate"), ("lax", None), ("strict", "frobnicate")):
        body = {"definition": odd, "level": level}
        answer = site.send("POST", "/jobs/validate", ann, json=body)
        assert [error["path"] for error in answer.json["errors"]] == ([path] if path else [])
    with Session(site.engine) as session:
        assert session.scalars(select(Job.id)).all() == []


def test_a_waiting_job_is_canceled_by_its_submitter_alone(
    site: Site, ann: Person, bob: Person
) -> None:
    job = site.job(ann)
    assert site.send("POST", f"/jobs/{job}/cancel").status_code == 401
    assert site.send("POST", f"/jobs/{job}/cancel", bob).status_code == 403
    answer = site.send("POST", f"/jobs/{job}/cancel", ann)
    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["outcome"]) == ("finished", "canceled")


def test_a_bulk_cancel_answers_for_each_job(site: Site, ann: Person, bob: Person) -> None:
    own, other = site.job(ann), site.job(bob)
    body = {"ids": [own, other, 99999, own]}
    answer = site.send("POST", "/jobs/cancel", ann, json=body)
    assert answer.json == [
        {"id": own, "result": "canceled"},
        {"id": other, "result": "forbidden"},
        {"id": 99999, "result": "unknown"},
    ]
    for bad in ([], [0], [2**63], ["x"], list(range(1, 1002))):
        assert site.send("POST", "/jobs/cancel", ann, json={"ids": bad}).status_code == 400


def test_a_job_is_submitted_again_as_ones_own(site: Site, ann: Person, bob: Person) -> None:
    site.device()
    first = site.send("POST", "/jobs", ann, data=MINIMAL, content_type="text/yaml").json["id"]
    answer = site.send("POST", f"/jobs/{first}/resubmit", bob)
    assert answer.status_code == 201
    shown = site.get(f"/jobs/{answer.json['id']}").json
    assert (shown["submitter"], shown["resubmit_of"]) == ("bob", first)


@pytest.mark.parametrize(
    ("query", "headers", "kind", "text"),
    [
        ("", {}, "application/json", '"name": "first"'),
        ("?format=yaml", {}, "application/yaml", "name: first"),
        ("?format=csv", {}, "text/csv", "0_smoke,pass"),
        ("?format=junit", {}, "application/xml", "<testsuite "),
        ("", {"Accept": "text/csv"}, "text/csv", "0_smoke,pass"),
        ("", {"Accept": "application/xml;q=0.9, application/yaml"}, "application/yaml", "first"),
        ("?suite=none", {}, "application/json", "[]"),
    ],
)
def test_results_come_in_the_form_asked_for(
    site: Site, ann: Person, query: str, headers: dict[str, str], kind: str, text: str
) -> None:
    job, _ = site.finished_job(ann, site.device())
    answer = site.get(f"/jobs/{job}/results{query}", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == kind
    assert text in answer.text


def test_an_unknown_form_of_results_is_400(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    assert site.get(f"/jobs/{job}/results?format=html").status_code == 400


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from([*JobQuery.model_fields, "x"]),
        st.text(max_size=30) | st.integers().map(str),
        max_size=4,
    )
)
def test_no_query_of_a_list_is_a_fault_of_the_server(site: Site, query: dict[str, str]) -> None:
    answer = site.get("/jobs", query_string=query)
    assert answer.status_code in {200, 400}


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_definition_is_a_fault_of_the_server(site: Site, ann_once: Person, text: bytes) -> None:
    answer = site.send("POST", "/jobs", ann_once, data=text, content_type="text/yaml")
    assert answer.status_code in {201, 400}


@pytest.fixture
def ann_once(site: Site) -> Person:
    return site.person("once")


def test_states_and_outcomes_are_told_by_their_words(site: Site, ann: Person) -> None:
    site.job(ann, state=JobState.FINISHED, outcome=Outcome.INCOMPLETE, ended_at=START)
    (job,) = site.get("/jobs").json["items"]
    assert (job["state"], job["outcome"]) == ("finished", "incomplete")
    assert job["submitted_at"] == f"{START:%Y-%m-%d}T09:00:00Z"
