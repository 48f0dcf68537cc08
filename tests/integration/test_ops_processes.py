"""Ledgers of several processes: shown together, sent in the background, with and without Redis."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis

from labq.config import Settings
from labq.metrics.ledger import keys, listening
from labq.metrics.ledger.courier import Courier
from labq.metrics.ledger.ledger import Ledger, bounds_of
from labq.tasks.sizes import sizes
from labq.web import observing
from labq.web.app import create_app
from tests.integration.cli_runner import Cli, served
from tests.integration.conductor_lab import Lab
from tests.integration.test_ops_requests import observer
from tests.integration.web_site import Person, Site


@pytest.fixture
def other(settings: Settings, site: Site) -> Site:
    """Return a second web process, as far as the ledger is concerned."""
    return Site(create_app(settings, site.engine), site.engine)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """Return the ledger of this process for what is done outside of requests."""
    made = Ledger("conductor", bounds_of(settings))
    listening.keep(made)
    yield made
    listening.keep(None)


def test_each_process_shows_what_all_have_done(
    site: Site, other: Site, ann: Person, admin: Person
) -> None:
    there = other.get("/hosts", ann).headers["Labq-Request"]
    other.get("/jobs", admin, headers={"Labq-Profile": "1"})
    site.get("/hosts", ann)
    assert site.get(f"/ops/requests/{there}", admin).status_code == 404
    observer(other).carry()
    found = site.get(f"/ops/requests/{there}", admin).json
    assert found["process"] == observer(other).ledger.process
    view = site.get("/ops/requests?endpoint=api.hosts.index", admin).json
    assert view["endpoints"][0]["count"] == 2
    assert len(view["processes"]) == 2
    assert view["is_complete"]
    sites = {row["site"]: row for row in site.get("/ops/transactions", admin).json["sites"]}
    assert sites["api.hosts.index"]["count"] == 2
    assert len(site.get("/ops/profiles", admin).json["items"]) == 1


def test_a_statement_that_another_process_recorded_is_explained(
    site: Site, other: Site, ann: Person, admin: Person
) -> None:
    other.get("/hosts", ann)
    observer(other).carry()
    items = site.get("/ops/statements?limit=500", admin).json["items"]
    found = next(one for one in items if "FROM host" in one["text"])
    answer = site.send("POST", f"/ops/statements/{found['id']}/explain", admin, json={})
    assert "actual time" in answer.json["plan"]


def test_what_is_kept_in_redis_is_bounded_and_sent_once(
    settings: Settings, site: Site, ann: Person
) -> None:
    mine = observer(site)
    key = keys.requests(mine.ledger.process)
    with redis.Redis.from_url(settings.redis_url) as client:
        for expected in (3, 5):
            while len(mine.ledger.requests) < expected:
                site.get("/system/version", ann)
            mine.carry()
            mine.carry()
            assert client.llen(key) == expected
        for _ in range(250):
            site.client.get("/nothing")
        mine.carry()
        assert client.llen(key) == mine.ledger.requests.maxlen
        assert 0 < client.ttl(key) <= keys.KEPT_SECONDS
        newest = keys.REQUEST.validate_json(client.lrange(key, 0, 0)[0])
    assert newest.id == mine.ledger.requests[-1].id


def test_without_redis_a_process_shows_its_own_ledger(
    settings: Settings, site: Site, ann: Person, admin: Person
) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    lonely = Site(create_app(away, site.engine), site.engine)
    lonely.get("/hosts", ann)
    observer(lonely).carry()
    view = lonely.get("/ops/requests", admin).json
    assert not view["is_complete"]
    assert "api.hosts.index" in {one["endpoint"] for one in view["endpoints"]}
    page = lonely.client.get("/ops", headers=admin.headers).text
    assert "only what this process did is shown" in page
    switched = lonely.send("POST", "/ops/sql-log", admin, json={"is_on": True}).json
    assert (switched["is_on"], switched["is_everywhere"]) == (True, False)


def test_the_log_of_sql_is_turned_on_everywhere_and_says_no_value(
    site: Site, other: Site, ann: Person, admin: Person, caplog: pytest.LogCaptureFixture
) -> None:
    def logged(asked: Site) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.INFO, listening.SQL_LOG):
            asked.get("/hosts/geheim", ann)
        return [one.getMessage() for one in caplog.records if one.name == listening.SQL_LOG]

    assert logged(other) == []
    state = site.send("POST", "/ops/sql-log", admin, json={"is_on": True, "minutes": 5}).json
    assert (state["is_on"], state["is_everywhere"]) == (True, True)
    assert logged(site)
    observer(other).carry()
    lines = logged(other)
    assert any("[api.hosts.show]: SELECT host" in line for line in lines)
    assert "geheim" not in "".join(lines)
    site.send("POST", "/ops/sql-log", admin, json={"is_on": False})
    observer(other).carry()
    assert logged(site) == logged(other) == []


@pytest.mark.parametrize("minutes", [0, 241, "x"])
def test_a_log_of_sql_has_an_end(site: Site, admin: Person, minutes: object) -> None:
    body = {"is_on": True, "minutes": minutes}
    assert site.send("POST", "/ops/sql-log", admin, json=body).status_code == 400


def test_transactions_are_named_by_who_begins_them(
    lab: Lab, ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_DATABASE_URL", settings.database_url)
    sizes()
    with lab.lead().transaction("pair"):
        pass
    sites = {row.site: row for row in ledger.summary().sites}
    assert sites["tasks.sizes.sizes"].count == 1
    assert sites["conductor.pair"].count == 1
    assert ledger.running == {}


def test_a_transaction_that_takes_long_is_kept_with_its_statements(
    lab: Lab, settings: Settings
) -> None:
    made = Ledger("conductor", bounds_of(settings.model_copy(update={"slow_transaction_ms": 1e-6})))
    listening.keep(made)
    try:
        with lab.lead().transaction("pair"):
            pass
    finally:
        listening.keep(None)
    row = made.slow_transactions[-1]
    assert (row.site, row.queries) == ("conductor.pair", len(row.statements))
    assert "leader" in made.text_of(row.statements[0].id)
    Courier(made, settings, None).carry(is_last=True)
    with redis.Redis.from_url(settings.redis_url) as client:
        sent = client.lrange(keys.slow_transactions(made.process), 0, -1)[0]
    assert keys.TRANSACTION.validate_json(sent) == row


class _Sentry(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 - filled by the handlers of one test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.bodies.append(gzip.decompress(body) if packed else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


SLOW = """
import sentry_sdk
from labq import config, log
from labq.metrics.ledger.chores import Reporter
from labq.metrics.ledger.ledger import Ledger, bounds_of
from labq.metrics.ledger.work import Request, Transaction
settings = config.load()
log.setup("web", settings)
ledger = Ledger("web", bounds_of(settings))
reporter = Reporter(settings)
for number in range(3):
    request = Request(name="api.jobs.index", keeper=ledger, id=f"r{number}", limit=20)
    request.note("SELECT * FROM job WHERE name = 'geheim'", 2.0, 7, {"name": "geheim"})
    request.began -= 2
    ledger.end_request(request)
    reporter.report(ledger)
sentry_sdk.flush(10)
"""


def test_slow_requests_reach_sentry_once_a_minute_without_their_values() -> None:
    with HTTPServer(("127.0.0.1", 0), _Sentry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        dsn = f"http://key@127.0.0.1:{server.server_port}/1"
        subprocess.run(
            [sys.executable, "-c", SLOW], env={"LABQ_SENTRY_DSN": dsn}, check=True, timeout=60
        )
        server.shutdown()
    sent = b"".join(_Sentry.bodies)
    (event,) = (json.loads(line) for line in sent.splitlines() if b'"fingerprint"' in line)
    assert event["message"].startswith("slow request: api.jobs.index took 2")
    assert event["extra"]["statements"] == ["2000.0 ms, 7 rows: SELECT * FROM job WHERE name = ?"]
    assert {"slow": "request", "request": "r0", "part": "web"}.items() <= event["tags"].items()
    assert b"geheim" not in sent


def test_an_admin_sees_it_all_on_the_command_line(
    site: Site, ann: Person, admin: Person, tmp_path: Path
) -> None:
    with served(site) as url:
        cli = Cli(url, tmp_path)
        site.get("/hosts", ann)
        requests = json.loads(cli("ops", "requests", "--json", person=admin).stdout)
        assert "api.hosts.index" in {one["endpoint"] for one in requests["endpoints"]}
        shown = cli("ops", "statements", person=admin)
        assert "pg_stat_statements  absent" in shown.stdout
        statement = next(one.split()[0] for one in shown.stdout.splitlines() if "host.name" in one)
        assert "actual time" in cli("ops", "explain", statement, person=admin).stdout
        assert "host_view.py" in cli("ops", "profile", "/hosts", person=admin).stdout
        refused = cli("ops", "tables", person=ann)
        assert (refused.returncode, refused.stdout) == (1, "")
        switched = cli("ops", "sql-log", "on", "--minutes", "3", person=admin)
        assert "are logged until" in switched.stdout


def test_hits_are_stored_when_a_process_ends(
    settings: Settings, site: Site, ann: Person, admin: Person
) -> None:
    app = create_app(settings, site.engine)
    with observing.at_work(app):
        Site(app, site.engine).get("/hosts", ann)
    rows = {row["endpoint"] for row in site.get("/ops/hits", admin).json["items"]}
    assert "api.hosts.index" in rows
