"""Searches for jobs over the API: what is found, what is refused, what it costs."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.services import job_query
from tests.integration.web_site import Person, Site


def found(site: Site, search: str, person: Person | None = None, **query: object) -> list[int]:
    answer = site.get("/jobs", person, query_string={"q": search, **query})
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json["items"]]


def refused(site: Site, search: str) -> str:
    answer = site.get("/jobs", query_string={"q": search})
    assert answer.status_code == 400
    return str(answer.json["errors"])


def ended(site: Site, person: Person, error: str = "", **values: object) -> int:
    return site.job(
        person,
        state=JobState.FINISHED,
        outcome=Outcome.INCOMPLETE if error else Outcome.COMPLETE,
        error_type=ErrorType.INFRASTRUCTURE if error else None,
        error_message=error,
        **values,
    )


def test_searches_find_what_they_ask_for(site: Site, ann: Person, bob: Person) -> None:
    waiting = site.job(ann, name="boot Kernel", tags=["usb"], device_type="rk3399", priority=10)
    dark = ended(site, bob, "Power of board-1 stays off")
    offline = ended(site, bob, "the console closed")
    tested, _ = site.finished_job(ann, site.device())
    expected = {
        "": [tested, offline, dark, waiting],
        "type:rk3399": [waiting],
        "state:submitted since:all": [waiting],
        "outcome:incomplete,complete": [tested, offline, dark],
        "error:infrastructure": [offline, dark],
        "infra:power": [dark],
        "infra:power submitter:bob since:all": [dark],
        "verdict:fail": [tested],
        "verdict:fail submitter:ann tag:usb": [],
        "verdict:skip": [],
        "kernel": [waiting],
        '"boot kernel" tag:usb': [waiting],
        "priority:10 submitter:me": [waiting],
        "device:board-1": [tested],
        "host:rack": [tested],
        str(dark): [dark],
        f"id:{dark} type:rk3399": [],
        "id:9999999999": [],
        "(a+)+$": [],
        "name:% since:all tag:usb": [],
        "🤖": [],
    }
    for search, ids in expected.items():
        assert found(site, search, ann) == ids, search


def test_a_search_for_a_number_finds_no_hidden_job(site: Site, ann: Person, bob: Person) -> None:
    job = site.job(ann)
    site.hide(job, site.group("kernel", ann))
    assert found(site, str(job), ann) == [job]
    assert found(site, str(job), bob) == []
    assert found(site, f"id:{job}") == []


def test_metadata_is_searched_by_its_whole_value(site: Site, ann: Person) -> None:
    job = site.job(ann)
    site.change(
        "INSERT INTO job_label (name, value, job_id, audience_id)"
        f" VALUES ('meta.Build', 'a b', {job}, 0)"
    )
    assert found(site, 'meta.Build:"a b"') == [job]
    assert found(site, "meta.Build:a") == []
    assert found(site, 'meta.build:"a b"') == []


def test_a_search_and_fields_narrow_each_other_but_not_twice(site: Site, ann: Person) -> None:
    job = site.job(ann, device_type="rk3399")
    site.job(ann)
    assert found(site, "type:rk3399", state="submitted") == [job]
    answer = site.get("/jobs", query_string={"q": "type:rk3399", "device_type": "shell"})
    assert answer.status_code == 400
    assert answer.json["errors"][0]["path"] == "device_type"


def test_bad_searches_are_refused_with_all_that_is_wrong(site: Site) -> None:
    told = refused(site, "colour:red since:soon")
    assert "colour" in told
    assert "character 12" in told
    assert "NUL" in refused(site, "a\0b")
    assert "31 days" in refused(site, "boot since:all")
    assert "500 at most" in refused(site, "x" * 501)


@pytest.mark.parametrize(
    "search", ["", "type:shell verdict:fail", "boot", "meta.a:b state:finished"]
)
def test_a_list_takes_three_statements_at_most(site: Site, ann: Person, search: str) -> None:
    site.finished_job(ann, site.device())
    found(site, search)
    seen: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    found(site, search)
    assert 1 <= len(seen) <= 3


def test_a_search_for_verdicts_leads_on_from_where_it_stopped(
    site: Site, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_query, "NARROW_WALK", 2)
    tested, _ = site.finished_job(ann, site.device())
    for _ in range(5):
        site.job(ann)
    pages: list[list[int]] = []
    key: dict[str, str] = {}
    while not pages or key:
        page = site.get("/jobs", query_string={"q": "verdict:fail", "limit": 1, **key}).json
        pages.append([job["id"] for job in page["items"]])
        key = {"after": page["next"]} if page["next"] else {}
    assert pages[0] == []
    assert [job for page in pages for job in page] == [tested]


def test_counts_are_bounded_and_of_what_one_sees(site: Site, ann: Person) -> None:
    hidden = site.job(ann)
    site.hide(hidden, site.group("kernel", ann))
    site.job(ann)
    assert site.get("/jobs/count?q=type:shell").json == {"jobs": 1, "is_more": False}
    assert site.get("/jobs/count", ann).json == {"jobs": 2, "is_more": False}
    assert site.get("/jobs/count?limit=3").status_code == 400
