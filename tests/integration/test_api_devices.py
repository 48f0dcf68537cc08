"""Devices, device types and hosts over the API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from labq.domain.states import HostHealth, HostState, JobState
from labq.models.host import Host
from tests.integration.web_site import Person, Site

TEMPLATE = "{% extends 'shell.jinja2' %}"


@pytest.fixture
def rack(site: Site) -> None:
    """Make a host."""
    site.add(Host(name="rack", state=HostState.ONLINE, health=HostHealth.ACTIVE))


def body(**values: Any) -> dict[str, Any]:
    return {
        "name": "board-1",
        "device_type": "shell",
        "host": "rack",
        "template": TEMPLATE,
        **values,
    }


@pytest.mark.usefixtures("rack")
def test_an_admin_adds_a_device_and_all_see_it(site: Site, admin: Person) -> None:
    answer = site.send("POST", "/devices", admin, json=body(tags=["usb", "usb"]))
    assert answer.status_code == 201, answer.text
    shown = site.get("/devices/board-1").json
    assert shown["device"]["tags"] == ["usb"]
    assert shown["device"]["health"] == "unknown"
    assert shown["template"] == TEMPLATE
    assert [each["name"] for each in site.get("/devices?tag=usb").json["items"]] == ["board-1"]
    assert site.get("/devices?tag=none").json["items"] == []
    (kind,) = site.get("/device-types").json["items"]
    assert (kind["name"], kind["devices"], kind["fit"], kind["idle"]) == ("shell", 1, 1, 1)


@pytest.mark.usefixtures("rack")
@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"template": "{% extends 'nowhere.jinja2' %}"}, 400),
        ({"template": "{{ 1"}, 400),
        ({"template": "a: ["}, 400),
        ({"host": "nowhere"}, 404),
        ({"name": "a b"}, 400),
        ({"name": ""}, 400),
        ({"health": "splendid"}, 400),
        ({"tags": "usb"}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_a_device_that_cannot_be_is_refused(
    site: Site, admin: Person, values: dict[str, Any], status: int
) -> None:
    answer = site.send("POST", "/devices", admin, json=body(**values))
    assert answer.status_code == status, answer.text
    assert site.get("/devices").json["items"] == []


@pytest.mark.usefixtures("rack")
def test_a_name_is_taken_once(site: Site, admin: Person) -> None:
    assert site.send("POST", "/devices", admin, json=body()).status_code == 201
    assert site.send("POST", "/devices", admin, json=body()).status_code == 409
    kind = {"name": "shell"}
    assert site.send("POST", "/device-types", admin, json=kind).status_code == 409


@pytest.mark.usefixtures("rack")
def test_health_is_changed_with_its_reason_and_remembered(site: Site, admin: Person) -> None:
    site.send("POST", "/devices", admin, json=body())
    wanted = {"health": "maintenance", "reason": "new cable", "description": "on shelf 3"}
    answer = site.send("PATCH", "/devices/board-1", admin, json=wanted)
    assert answer.status_code == 200, answer.text
    shown = site.get("/devices/board-1").json
    assert shown["device"]["health"] == "maintenance"
    assert shown["device"]["health_reason"] == "new cable"
    assert shown["device"]["description"] == "on shelf 3"
    (change,) = shown["changes"]
    assert (change["actor"], change["before"], change["after"]) == (
        "root",
        "unknown",
        "maintenance",
    )
    assert site.send("PATCH", "/devices/none", admin, json=wanted).status_code == 404


@pytest.mark.usefixtures("rack")
def test_the_dictionary_is_rendered_with_a_context(site: Site, admin: Person, ann: Person) -> None:
    template = TEMPLATE + "\n{% set connection_command = 'sh ' ~ flavour|default('plain') %}"
    site.send("POST", "/devices", admin, json=body(template=template))
    assert site.get("/devices/board-1/dictionary").status_code == 401
    plain = site.get("/devices/board-1/dictionary", ann)
    assert plain.status_code == 200, plain.text
    assert plain.mimetype == "application/yaml"
    assert site.get("/devices/board-1/dictionary?context.x=1&context.y=a", ann).status_code == 200
    assert site.get("/devices/none/dictionary", ann).status_code == 404
    for query in ("x=1", "context.x=1&context.x=2", "context.x=%00"):
        assert site.get(f"/devices/board-1/dictionary?{query}", ann).status_code == 400, query
    assert site.get("/devices/board-1/dictionary?context.x=a%0Ab: c", ann).status_code == 422


@pytest.mark.usefixtures("rack")
def test_lists_are_paged_by_name(site: Site, admin: Person) -> None:
    for name in ("c", "a", "b"):
        assert site.send("POST", "/devices", admin, json=body(name=name)).status_code == 201
    first = site.get("/devices?limit=2").json
    assert [each["name"] for each in first["items"]] == ["a", "b"]
    second = site.get(f"/devices?limit=2&after={first['next']}").json
    assert [each["name"] for each in second["items"]] == ["c"]
    assert second["next"] is None


def test_a_device_tells_its_job_only_to_those_who_see_it(
    site: Site, ann: Person, bob: Person
) -> None:
    device = site.device()
    job, run = site.finished_job(ann, device)
    site.hide(job)
    site.change(f"UPDATE device SET run_id = {run} WHERE id = {device}")
    assert site.get("/devices/board-1", ann).json["device"]["job"] == job
    assert [each["id"] for each in site.get("/devices/board-1", ann).json["jobs"]] == [job]
    for person in (bob, None):
        shown = site.get("/devices/board-1", person).json
        assert shown["device"]["job"] is None
        assert shown["jobs"] == []


def test_a_type_counts_its_waiting_jobs(site: Site, ann: Person) -> None:
    site.device()
    site.job(ann)
    site.job(ann, state=JobState.RUNNING)
    assert site.get("/device-types/shell").json["waiting_jobs"] == 1
    assert site.get("/device-types/none").status_code == 404


@pytest.mark.usefixtures("rack")
def test_an_admin_takes_a_host_out_of_use(site: Site, admin: Person, ann: Person) -> None:
    (host,) = site.get("/hosts").json["items"]
    assert (host["name"], host["health"], host["devices"]) == ("rack", "active", 0)
    wanted = {"health": "maintenance", "reason": "new disk"}
    assert site.send("PATCH", "/hosts/rack", ann, json=wanted).status_code == 403
    assert site.send("PATCH", "/hosts/rack", admin, json=wanted).json["health"] == "maintenance"
    assert site.get("/hosts/rack").json["health"] == "maintenance"
    assert site.send("PATCH", "/hosts/none", admin, json=wanted).status_code == 404
    assert site.send("PATCH", "/hosts/rack", admin, json={}).status_code == 400


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(["/devices", "/device-types", "/hosts", "/users", "/groups", "/tokens"]),
    query=st.dictionaries(
        st.sampled_from(["limit", "after", "tag", "state", "user", "host", "x"]),
        st.text(max_size=30),
        max_size=3,
    ),
)
def test_no_query_is_a_fault_of_the_server(
    site: Site, boss: Person, path: str, query: dict[str, str]
) -> None:
    assert site.get(path, boss, query_string=query).status_code in {200, 400, 404}


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=40), st.sampled_from(["devices", "hosts", "users", "groups"]))
def test_no_name_in_a_path_is_a_fault_of_the_server(
    site: Site, boss: Person, name: str, kind: str
) -> None:
    answer = site.get(f"/{kind}/{name.replace('/', '%2F').replace('?', '%3F')}", boss)
    assert answer.status_code in {200, 308, 404}


@pytest.fixture
def boss(site: Site) -> Person:
    return site.person("boss", is_admin=True)
