"""Lists and reports from the cache, and tags of what cannot change: nobody is given another's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from labq.config import Settings
from labq.domain.states import JobState, Outcome
from labq.services.database import Role, make_engine
from labq.web.app import create_app
from labq.web.cache import Epoch
from labq.web.epochs import Ear
from labq.web.shelf import cache_counts
from tests.integration.conductor_lab import eventually
from tests.integration.web_site import START, Person, Site

PEOPLE = 5
JOBS = 24


@pytest.fixture
def epoch() -> Epoch:
    return Epoch()


@pytest.fixture
def cached(settings: Settings, epoch: Epoch) -> Iterator[Site]:
    """Return the application with its cache on."""
    engine = make_engine(settings.database_url, Role.API)
    app = create_app(settings.model_copy(update={"cache": True}), engine, epoch)
    yield Site(app, engine)
    engine.dispose()


@pytest.fixture
def asked(cached: Site) -> Iterator[list[str]]:
    """Return the statements about jobs that the application makes from now on."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM job" in statement:
            seen.append(statement)

    event.listen(cached.engine, "before_cursor_execute", note)
    yield seen
    event.remove(cached.engine, "before_cursor_execute", note)


def counts(site: Site, name: str) -> dict[str, int]:
    with site.app.app_context():
        return dict(cache_counts().get(name, {}))


def test_strangers_are_given_the_same_list_without_a_question_to_the_database(
    cached: Site, ann: Person, asked: list[str]
) -> None:
    job = cached.job(ann)
    first = cached.get("/jobs")
    asked.clear()
    second = cached.get("/jobs")
    assert asked == []
    assert second.data == first.data
    assert [row["id"] for row in second.json["items"]] == [job]
    assert second.headers["Age"] == "0"
    assert counts(cached, "api.jobs.index")["hit"] == 1
    assert cached.get("/jobs?limit=1").headers["Age"] == "0"
    assert counts(cached, "api.jobs.index")["miss"] == 2


def test_who_brings_credentials_is_answered_anew(cached: Site, ann: Person) -> None:
    cached.get("/jobs")
    job = cached.job(ann)
    assert [row["id"] for row in cached.get("/jobs", ann).json["items"]] == [job]
    assert cached.get("/jobs", headers={"Authorization": "Bearer labq_wrong"}).status_code == 401
    assert counts(cached, "api.jobs.index")["bypass"] == 2


def test_a_query_that_is_wrong_is_told_and_not_kept(cached: Site) -> None:
    assert cached.get("/jobs?limit=0").status_code == 400
    assert cached.get("/jobs?limit=0").status_code == 400
    assert counts(cached, "api.jobs.index") == {}


def test_the_switch_turns_the_cache_off(site: Site, ann: Person) -> None:
    assert site.get("/jobs").json["items"] == []
    job = site.job(ann)
    assert [row["id"] for row in site.get("/jobs").json["items"]] == [job]
    assert "Age" not in site.get("/jobs").headers
    assert counts(site, "api.jobs.index")["bypass"] == 3


def test_a_change_in_another_process_is_heard(
    cached: Site, epoch: Epoch, site: Site, admin: Person
) -> None:
    ear = Ear(cached.engine, epoch, Epoch())
    ear.start()
    try:
        eventually(lambda: epoch.is_live, "listening")
        before = epoch.number
        site.change("SELECT pg_notify('labq_job', '1')")
        eventually(lambda: epoch.number > before, "the change")
        before = epoch.number
        assert site.send("POST", "/groups", admin, json={"name": "kernel"}).status_code == 201
        eventually(lambda: epoch.number > before, "the change by a request")
        number = epoch.number
        site.change(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN %' AND datname = current_database()"
        )
        eventually(lambda: epoch.number > number and epoch.is_live, "listening again")
    finally:
        ear.stop()
    assert not epoch.is_live


def _shown(answer: Any) -> set[int]:
    return {row["id"] for row in answer.json["items"]}


def _on_page(site: Site, person: Person | None, jobs: set[int]) -> set[int]:
    page: Any = eventually(lambda: _overview(site, person), "the page in its time", 60)
    return {job for job in jobs if f'href="/jobs/{job}"' in page.text}


def _overview(site: Site, person: Person | None) -> object:
    page = site.client.get("/", headers=person.headers if person else {})
    return page if page.status_code == 200 and "could not be loaded" not in page.text else None


def test_nobody_is_ever_given_what_another_class_may_see(cached: Site) -> None:
    choose = random.Random(4)
    people = [cached.person(f"user-{number}") for number in range(PEOPLE)]
    boss = cached.person("boss", is_admin=True)
    members = {
        cached.group(name, *among): {person.id for person in among}
        for name, among in (("a", people[:2]), ("b", people[1:4]), ("c", people[3:]))
    }
    jobs: dict[int, set[int] | None] = {}
    owners: dict[int, int] = {}
    for _ in range(JOBS):
        owner = choose.choice(people)
        groups = choose.choice([None, [], *([one] for one in members), list(members)[:2]])
        job = cached.job(
            owner,
            viewing_groups=groups,
            state=JobState.FINISHED,
            outcome=choose.choice([Outcome.COMPLETE, Outcome.INCOMPLETE]),
            started_at=START,
            ended_at=START,
        )
        owners[job] = owner.id
        together = set.intersection(*(members[one] for one in groups)) if groups else set()
        jobs[job] = None if groups is None else together

    def visible(person: Person | None) -> set[int]:
        if person is boss:
            return set(jobs)
        mine = person.id if person else 0
        return {
            job for job, who in jobs.items() if who is None or mine in who or owners[job] == mine
        }

    def newest_incomplete(person: Person | None) -> set[int]:
        answer = cached.get("/jobs?outcome=incomplete&limit=8&since=2026-01-01", person)
        return _shown(answer)

    @settings(max_examples=12, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.sampled_from([None, boss, *people]), min_size=2, max_size=5))
    def compare(viewers: list[Person | None]) -> None:
        for person in viewers:
            answer = cached.get("/jobs?limit=100&since=2026-01-01", person)
            assert _shown(answer) == visible(person)
            assert _on_page(cached, person, set(jobs)) == newest_incomplete(person)

    compare()
    found = counts(cached, "overview.jobs")
    assert found["hit"] + found["stale"] > 0
    assert counts(cached, "overview.lab")["hit"] > 0


def test_a_finished_job_is_sent_once(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    for path in ("", "/definition", "/plan", "/device", "/results", "/results?format=junit"):
        first = site.get(f"/jobs/{job}{path}", ann)
        assert first.status_code == 200
        assert first.headers["Cache-Control"] == "private, no-cache"
        tag = {"If-None-Match": first.headers["ETag"]}
        again = site.get(f"/jobs/{job}{path}", ann, headers=tag)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


def test_the_tag_of_a_hidden_job_tells_nothing(site: Site, ann: Person, bob: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    tag = {"If-None-Match": site.get(f"/jobs/{job}", bob).headers["ETag"]}
    site.hide(job)
    for person in (bob, None):
        answer = site.get(f"/jobs/{job}", person, headers=tag)
        assert answer.status_code == 404
        assert "ETag" not in answer.headers
    assert site.get(f"/jobs/{job}", bob, headers={"If-None-Match": "*"}).status_code == 404


def test_a_job_that_may_still_change_has_no_tag(site: Site, ann: Person) -> None:
    waiting = site.job(ann)
    assert "ETag" not in site.get(f"/jobs/{waiting}", ann).headers
    job, run = site.finished_job(ann, site.device())
    site.change(f"UPDATE run SET lost_at = now() WHERE id = {run}")
    assert "ETag" not in site.get(f"/jobs/{job}", ann).headers


def test_whatever_is_written_to_a_job_makes_its_tag_another(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    for change in ("UPDATE job SET priority = 1", "UPDATE run SET torn_down_at = now()"):
        tag = {"If-None-Match": site.get(f"/jobs/{job}", ann).headers["ETag"]}
        site.change(change)
        assert site.get(f"/jobs/{job}", ann, headers=tag).status_code == 200


def test_each_form_of_the_results_has_a_tag_of_its_own(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    tag = {"If-None-Match": site.get(f"/jobs/{job}/results", ann).headers["ETag"]}
    yaml = {"Accept": "application/yaml", **tag}
    assert site.get(f"/jobs/{job}/results", ann, headers=yaml).status_code == 200
    assert site.get(f"/jobs/{job}/results?suite=x", ann, headers=tag).status_code == 200


def test_a_log_has_a_tag_once_it_is_packed(site: Site, ann: Person) -> None:
    job, run = site.finished_job(ann, site.device())
    site.log(run, 0, 0)
    assert "ETag" not in site.get(f"/jobs/{job}/log", ann).headers
    site.change("UPDATE run_log SET is_packed = true")
    tag = {"If-None-Match": site.get(f"/jobs/{job}/log", ann).headers["ETag"]}
    assert site.get(f"/jobs/{job}/log", ann, headers=tag).status_code == 304
