"""The ledger of requests: what is kept of each, who may see it, what becomes of slow ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
import pytest
from sqlalchemy import event, text

from labq import statsd
from labq.config import Settings
from labq.services.database import Role, make_engine
from labq.web import observing
from labq.web.api import ENDPOINTS
from labq.web.app import create_app
from labq.web.observing import Observer
from labq.web.pages import PAGES
from tests.integration.web_site import Person, Site
from tests.lab.waiting import until

OPS_ENDPOINTS = [one for one in ENDPOINTS if one.path.startswith("/ops")]
OPS_PAGES = [one for one in PAGES if one.path.startswith("/ops")]


def observer(site: Site) -> Observer:
    """Return what observes a site's requests."""
    found = observing.observer_of(site.app)
    assert found is not None
    return found


@contextmanager
def site_with(settings: Settings, **changes: object) -> Iterator[Site]:
    """Give a site with other settings, whose threads run; its statements wait for a long time."""
    engine = make_engine(settings.database_url, Role.API)
    event.listen(engine, "connect", _be_patient)
    app = create_app(settings.model_copy(update=changes), engine)
    with observing.at_work(app):
        yield Site(app, engine)
    engine.dispose()


@contextmanager
def locked(site: Site, table: str) -> Iterator[None]:
    """Let nobody read a table within the block."""
    with site.engine.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
        connection.rollback()


def _be_patient(connection: psycopg2.extensions.connection, _record: object) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '60s'; SET statement_timeout = '60s'")
    connection.autocommit = False


class Asked:
    """A question that another thread asks."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self._answers: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(get()))
        self._thread.start()

    def answer(self) -> Any:
        """Wait for the answer."""
        self._thread.join(30)
        return self._answers[0]


def test_of_a_request_time_queries_rows_and_size_are_kept(
    site: Site, ann: Person, admin: Person
) -> None:
    site.job(ann)
    asked_for = site.get("/jobs?limit=7", ann)
    found = site.get(f"/ops/requests/{asked_for.headers['Labq-Request']}", admin).json
    assert (found["endpoint"], found["user"], found["status"]) == ("api.jobs.index", "ann", 200)
    assert (found["path"], found["query"]) == ("/api/v1/jobs", "limit=7")
    assert found["bytes"] == len(asked_for.data)
    assert found["ms"] >= found["query_ms"] > 0
    assert found["ms"] >= found["cpu_ms"] > 0
    assert found["queries"] == len(found["statements"]) >= 2
    assert found["rows"] == sum(one["rows"] for one in found["statements"]) >= 2


def test_requests_are_counted_by_endpoint(site: Site, ann: Person, admin: Person) -> None:
    for path in ("/jobs", "/jobs", "/jobs/999", "/nothing"):
        site.get(path, ann)
    view = site.get("/ops/requests?endpoint=api.jobs.index&limit=1", admin).json
    (endpoint,) = view["endpoints"]
    assert (endpoint["count"], endpoint["failed"], len(view["items"])) == (2, 0, 1)
    assert endpoint["longest_ms"] >= endpoint["p50_ms"] > 0
    everything = site.get("/ops/requests", admin).json["endpoints"]
    assert {"api.jobs.show", "unknown"} <= {one["endpoint"] for one in everything}


@pytest.mark.parametrize("name", ["ann", None])
def test_none_but_admins_see_any_of_it(site: Site, ann: Person, name: str | None) -> None:
    person = ann if name else None
    for endpoint in OPS_ENDPOINTS:
        path = endpoint.path.replace("<", "").replace(">", "")
        answer = site.send(endpoint.method, path, person, json={})
        assert answer.status_code == (403 if person else 401), endpoint.path
    for page in OPS_PAGES:
        path = page.path.replace("<", "").replace(">", "")
        headers = person.headers if person else {}
        assert site.client.open(path, method=page.method, headers=headers).status_code in {302, 403}


def test_a_request_that_takes_long_is_kept_with_its_stack(
    settings: Settings, site: Site, admin: Person
) -> None:
    with site_with(settings, slow_request_ms=200) as slow:
        running = observer(slow).ledger.running
        with locked(slow, "host"):
            asked = Asked(lambda: slow.get("/hosts", admin))
            until(
                lambda: any("host_view" in str(work.stacks) for work in list(running.values())),
                "a sample of the wait",
            )
        answer = asked.answer()
        view = slow.get("/ops/requests?slow=true", admin).json
        (row,) = (one for one in view["items"] if one["endpoint"] == "api.hosts.index")
    assert answer.status_code == 200
    assert row["is_slow"]
    assert any("host_view" in stack for stack in row["stacks"])


def test_a_request_over_the_hard_limit_is_stopped_and_harms_nobody_else(
    settings: Settings, site: Site, admin: Person
) -> None:
    with site_with(settings, request_limit_seconds=1) as strict:
        with locked(strict, "host"):
            answer = strict.get("/hosts", admin)
            page = strict.client.get("/hosts")
        assert answer.status_code == 503
        assert "over its limit of 1 s" in answer.json["detail"]
        assert "Retry-After" in answer.headers
        assert (page.status_code, page.mimetype) == (503, "text/html")
        until(lambda: strict.get("/hosts", admin).status_code == 200, "hosts are shown again")
        assert strict.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a QueuePool has it


def test_an_admin_profiles_one_request(site: Site, admin: Person) -> None:
    answer = site.get("/hosts", admin, headers={"Labq-Profile": "1"})
    assert answer.json["items"] == []
    profile = site.get(f"/ops/profiles/{answer.headers['Labq-Profile']}", admin).json
    assert (profile["path"], profile["user"]) == ("/api/v1/hosts", "root")
    assert "host_view.py" in profile["text"]
    assert "cumtime" in profile["text"]
    assert "Labq-Profile" not in site.get("/hosts", admin).headers
    assert len(site.get("/ops/profiles", admin).json["items"]) == 1


def test_a_page_is_profiled_by_its_address(site: Site, admin: Person) -> None:
    answer = site.client.get("/hosts?_profile=1", headers=admin.headers)
    assert answer.status_code == 200
    listed = site.get("/ops/profiles", admin).json["items"]
    assert [one["id"] for one in listed] == [answer.headers["Labq-Profile"]]


def test_none_but_admins_and_nothing_but_get_is_profiled(
    site: Site, ann: Person, admin: Person
) -> None:
    headers = {"Labq-Profile": "1"}
    assert site.get("/hosts", ann, headers=headers).status_code == 403
    assert site.get("/hosts", headers=headers).status_code == 401
    refused = site.send("POST", "/tokens", admin, headers=headers, json={"description": "x"})
    assert refused.status_code == 400
    assert "only GET" in refused.json["errors"][0]["message"]
    assert site.get("/ops/profiles", admin).json["items"] == []
    assert site.get("/hosts", admin, headers=headers).status_code == 200


def test_timings_of_requests_and_transactions_are_sent(site: Site, ann: Person) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        statsd.setup(Settings(statsd_host="127.0.0.1", statsd_port=listening.getsockname()[1]))
        try:
            site.get("/hosts", ann)
        finally:
            statsd.setup(Settings())
        told = set[str]()
        while "labq.web_db.api.hosts.index" not in told:
            lines = listening.recv(1000).decode().splitlines()
            told |= {line.partition(":")[0] for line in lines}
    assert {
        "labq.db.transaction.api.hosts.index",
        "labq.web.api.hosts.index",
        "labq.web_cpu.api.hosts.index",
    } <= told


def test_hits_of_pages_are_stored_in_batches_and_added_up(
    site: Site, ann: Person, admin: Person
) -> None:
    for _ in range(2):
        for path in ("/hosts", "/hosts", "/devices"):
            site.get(path, ann)
        observer(site).carry()
    rows = {row["endpoint"]: row for row in site.get("/ops/hits?days=3", admin).json["items"]}
    assert rows["api.hosts.index"]["total"] == rows["api.hosts.index"]["today"] == 4
    assert rows["api.devices.index"]["total"] == 2
    assert rows["api.hosts.index"]["yesterday"] == 0


def test_every_page_of_operations_shows_what_there_is(
    site: Site, ann: Person, admin: Person
) -> None:
    asked_for = site.get("/hosts", ann)
    profiled = site.get("/hosts", admin, headers={"Labq-Profile": "1"})
    statement = site.get("/ops/statements", admin).json["items"][0]["id"]
    shown = {
        "/ops": "api.hosts.index",
        "/ops?slow=1": "Slow requests",
        f"/ops/requests/{asked_for.headers['Labq-Request']}": "/api/v1/hosts",
        "/ops/transactions": "api.hosts.index",
        "/ops/statements": statement,
        f"/ops/statements/{statement}": "Calls",
        "/ops/tables": "ix_job_",
        "/ops/hits": "Hits by endpoint",
        "/ops/tools": "Statements are not logged",
        f"/ops/profiles/{profiled.headers['Labq-Profile']}": "cumtime",
    }
    for path, words in shown.items():
        answer = site.client.get(path, headers=admin.headers)
        assert answer.status_code == 200, path
        assert words in answer.text, path


def test_nothing_is_recorded_where_it_is_switched_off(
    settings: Settings, site: Site, admin: Person
) -> None:
    app = create_app(settings.model_copy(update={"ops": False}), site.engine)
    off = Site(app, site.engine)
    answer = off.get("/hosts", admin)
    assert answer.status_code == 200
    assert "Labq-Request" not in answer.headers
    refused = off.get("/ops/requests", admin)
    assert refused.status_code == 409
    assert "LABQ_OPS" in refused.json["detail"]
