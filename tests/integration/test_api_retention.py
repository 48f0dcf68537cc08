"""Retention and archive over the API, the command line and the admin's page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.config import Settings
from labq.domain.retention import Kind
from tests.integration.cli_runner import Cli, served
from tests.integration.retention_lab import LOG, Shop
from tests.integration.web_site import PASSWORD, Person, Site

POLICIES = "/retention/policies"


@pytest.fixture
def shop(site: Site, settings: Settings, ann: Person) -> Shop:
    """Return a site without jobs and policies."""
    return Shop(site, settings, ann, site.device())


@pytest.fixture
def cli(shop: Shop, tmp_path: Path) -> Iterator[Cli]:
    """Return the command line against the site."""
    with served(shop.site) as url:
        yield Cli(url, tmp_path)


def test_an_admin_adds_lists_changes_and_removes_policies(site: Site, admin: Person) -> None:
    body = {"name": "rest", "days": {"logs": 90, "jobs": 730}, "reason": "room"}
    made = site.send("POST", POLICIES, admin, json=body)
    assert (made.status_code, made.json["position"], made.json["is_archived"]) == (201, 10, True)
    assert site.send("POST", POLICIES, admin, json=body).status_code == 409
    change = {"days": {"logs": 0, "results": 365}, "position": 3}
    changed = site.send("PATCH", f"{POLICIES}/rest", admin, json=change).json
    assert (changed["days"], changed["position"]) == ({"results": 365, "jobs": 730}, 3)
    assert [one["name"] for one in site.get(POLICIES, admin).json] == ["rest"]
    assert site.send("DELETE", f"{POLICIES}/rest", admin).status_code == 204
    assert site.get(POLICIES, admin).json == []
    assert site.send("DELETE", f"{POLICIES}/rest", admin).status_code == 404


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"days": {"logs": 40_000}}, "days.logs"),
        ({"days": {"logs": -1}}, "days.logs"),
        ({"days": {"logs": 31, "jobs": 30}}, "days.logs"),
        ({"days": {"dreams": 1}}, "days.dreams"),
        ({"group": "nobody"}, "group"),
        ({"device_type": "toaster"}, "device_type"),
        ({"outcome": "great"}, "outcome"),
        ({"pinned": True, "days": {"jobs": 30}}, "pinned"),
        ({"name": "a b"}, "name"),
        ({"position": -1}, "position"),
    ],
)
def test_a_bad_policy_is_refused_with_the_place(
    site: Site, admin: Person, body: dict[str, object], place: str
) -> None:
    answer = site.send("POST", POLICIES, admin, json={"name": "x", **body})
    assert answer.status_code == 400
    assert any(problem["path"].startswith(place) for problem in answer.json["errors"])
    assert site.get(POLICIES, admin).json == []


def test_only_admins_see_and_change_retention(site: Site, ann: Person) -> None:
    paths = (POLICIES, "/retention/preview", "/retention/runs", "/archive/bundles")
    assert {site.get(path, ann).status_code for path in paths} == {403}
    assert {site.get(path).status_code for path in paths} == {401}
    assert site.send("POST", "/retention/runs", ann).status_code == 403
    assert site.send("POST", "/archive/jobs/1/restore", ann).status_code == 403
    assert site.send("POST", "/archive/jobs/1/restore").status_code == 401


def test_a_preview_counts_what_goes_now_soon_and_later(shop: Shop, admin: Person) -> None:
    for days in (50, 25, 5):
        shop.old_job(days)
    body = {"name": "rest", "days": {"logs": 30, "results": 365}}
    shop.site.send("POST", POLICIES, admin, json=body)
    found = shop.site.get("/retention/preview", admin).json
    logs, results = found["policies"][0]["amounts"]
    assert (found["is_complete"], found["days_left"]) == (True, 0)
    assert (logs["kind"], logs["due_jobs"], logs["soon_jobs"], logs["later_jobs"]) == (
        "logs",
        1,
        2,
        0,
    )
    assert (logs["due_bytes"], logs["soon_bytes"]) == (len(LOG), 2 * len(LOG))
    assert (results["kind"], results["due_jobs"], results["later_jobs"]) == ("results", 0, 3)
    assert logs["next_on"] < results["next_on"]


def test_two_runs_at_once_are_refused_and_told_of(site: Site, admin: Person) -> None:
    first = site.send("POST", "/retention/runs", admin)
    assert (first.status_code, first.json["asked_by"]) == (201, "root")
    second = site.send("POST", "/retention/runs", admin)
    assert second.status_code == 409
    assert f"retention run {first.json['id']}, asked for by root" in second.json["detail"]
    shown = site.get(f"/retention/runs/{first.json['id']}", admin).json
    assert (shown["ended_at"], shown["jobs"]) == (None, 0)


def test_submitters_pin_their_own_jobs_and_admins_all(
    site: Site, ann: Person, bob: Person, admin: Person
) -> None:
    job = site.job(ann)
    path = f"/jobs/{job}/pin"
    assert site.send("PUT", path, bob, json={}).status_code == 403
    assert site.send("PUT", path, json={}).status_code == 401
    pinned = site.send("PUT", path, ann, json={"reason": "reference"})
    assert (pinned.status_code, pinned.json["by"]) == (200, "ann")
    assert site.get(f"/jobs/{job}").json["pin"]["reason"] == "reference"
    assert site.send("PUT", path, admin, json={}).json["by"] == "ann"
    assert site.send("DELETE", path, admin).status_code == 204
    assert site.send("DELETE", path, admin).status_code == 404
    site.hide(job)
    assert site.send("PUT", path, bob, json={}).status_code == 404


def test_a_copy_of_an_answer_holds_no_longer_once_its_job_is_pinned(
    shop: Shop, admin: Person
) -> None:
    job = shop.old_job(50)
    first = shop.site.get(f"/jobs/{job}", admin)
    known = {"If-None-Match": first.headers["ETag"]}
    assert shop.site.get(f"/jobs/{job}", admin, headers=known).status_code == 304
    shop.site.send("PUT", f"/jobs/{job}/pin", admin, json={})
    assert shop.site.get(f"/jobs/{job}", admin, headers=known).json["pin"]["by"] == "root"


def test_the_page_of_retention_shows_and_changes_policies(shop: Shop) -> None:
    shop.site.person("boss", is_admin=True, password=PASSWORD)
    shop.old_job(50)
    client = shop.site.client
    token = csrf_of(client.get("/login").text)
    form = {"name": "boss", "password": PASSWORD, "csrf_token": token}
    assert client.post("/login", data=form).status_code in (302, 303)
    token = csrf_of(client.get("/retention").text)
    form = {"csrf_token": token, "name": "old", "outcome": "any", "logs": "30", "archive": "true"}
    assert client.post("/retention/policies", data=form).status_code == 303
    page = client.get("/retention").text
    assert "logs 30 d" in page
    assert client.post("/retention/runs", data={"csrf_token": token}).status_code == 303
    assert "boss" in client.get("/retention").text
    form = {"csrf_token": token, "name": "old"}
    assert client.post("/retention/policies/remove", data=form).status_code == 303
    assert "everything is kept" in client.get("/retention").text


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_command_line_goes_from_a_policy_to_a_restored_job(
    shop: Shop, cli: Cli, admin: Person
) -> None:
    job = shop.old_job(50)
    words = ("retention", "policy", "add", "rest", "--jobs", "30", "--archived", "--json")
    assert json.loads(cli(*words, person=admin).stdout)["days"] == {"jobs": 30}
    preview = cli("retention", "run", "--dry-run", person=admin).stdout
    assert re.search(r"rest +jobs +1 ", preview)
    assert shop.counts()["job"] == 1
    assert shop.run()
    listed = json.loads(cli("archive", "list", "--json", person=admin).stdout)
    assert [one["id"] for one in listed] == [job]
    assert "jobs" in cli("archive", "show", job, person=admin).stdout
    assert cli("archive", "show", job, "--log", person=admin).stdout == LOG.decode()
    restored = cli("archive", "restore", job, 99, person=admin)
    assert restored.returncode == 1
    assert f"job {job}: restored jobs" in restored.stdout
    assert "job 99: nothing of a job 99 is archived" in restored.stdout
    assert cli("job", "unpin", job, person=admin).returncode == 0
    assert cli("job", "pin", job, "--reason", "again", person=admin).returncode == 0


def test_a_second_run_from_the_command_line_says_who_runs(
    shop: Shop, cli: Cli, admin: Person
) -> None:
    shop.policy(days={Kind.LOGS: 30})
    assert cli("retention", "run", "--no-wait", person=admin).returncode == 0
    second = cli("retention", "run", person=admin)
    assert second.returncode == 1
    assert "asked for by root" in second.stderr
