"""An upgrade of the schema as all others see it: what is shown, what waits, what Sentry is told."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from typing_extensions import override

from labq.cli.db import deployment
from labq.conductor.scheduler import Scheduler
from labq.config import Settings
from labq.models.device import DeviceType
from labq.models.upgrade import Backfill
from labq.services import health_checks, upgrades
from labq.services.backfills import Progress
from labq.services.job_events import Told
from labq.services.lab_events import LabEvent
from labq.services.occurrences import Occurrence
from labq.services.parts import State, tell_moves
from labq.services.transitions import Work
from labq.services.upgrades import Announcement
from labq.services.upgrading import Upgraded
from labq.services.visibility import ANONYMOUS
from labq.stream.hub import Hub
from tests.integration.conductor_lab import DEFINITION, Lab
from tests.integration.web_site import Person, Site

HOLDER = "labq migration 7@server"
STEP = "0008: CREATE INDEX CONCURRENTLY ix_odd"


def _announce(engine: Engine, *, pauses: bool = False) -> None:
    announced = Announcement(
        holder=HOLDER,
        found="0007",
        target="0008",
        pauses_scheduling=pauses,
        step=STEP,
        began_at=datetime.now(UTC),
        ended_at=None,
        error="",
        is_running=True,
    )
    with engine.begin() as connection:
        assert upgrades.announce(connection, announced)


def _withdraw(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrades.withdraw(connection, HOLDER)


def _kill(engine: Engine) -> None:
    """Let the time pass in which one that was killed would have renewed its announcement."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE upgrade SET until = clock_timestamp()"))


ENDS = [_withdraw, _kill]


@pytest.mark.parametrize("end", ENDS)
def test_no_job_begins_while_an_upgrade_pauses_scheduling(
    lab: Lab, end: Callable[[Engine], None]
) -> None:
    scheduler = Scheduler(lab.lead(), lab.client, ())
    job = lab.submit()
    _announce(lab.engine, pauses=True)
    scheduler.work(frozenset(Work))
    assert lab.run_of(job) is None
    end(lab.engine)
    scheduler.work(frozenset(Work))
    assert lab.run_of(job)


def test_no_health_check_begins_while_an_upgrade_pauses_scheduling(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        session.get_one(DeviceType, "shell").health_check = DEFINITION
    with Session(lab.engine) as session:
        assert len(health_checks.find_due(session, datetime.now(UTC))) == 1
        _announce(lab.engine, pauses=True)
        assert health_checks.find_due(session, datetime.now(UTC)) == []


def test_jobs_begin_while_an_upgrade_runs_that_pauses_nothing(lab: Lab) -> None:
    _announce(lab.engine)
    job = lab.submit()
    Scheduler(lab.lead(), lab.client, ()).work(frozenset(Work))
    assert lab.run_of(job)


@pytest.mark.parametrize("end", ENDS)
def test_pages_and_api_tell_of_an_upgrade_as_long_as_it_runs(
    site: Site, admin: Person, end: Callable[[Engine], None]
) -> None:
    site.add(Backfill(name="weigh", done=430, total=1000, rests="9 queries run"))
    _announce(site.engine, pauses=True)
    site.get("/system/health")
    page = site.client.get("/devices").text
    assert "The database is being upgraded from 0007 to 0008: everything goes on." in page
    assert "begin afterwards" in page
    assert "Back-fill" not in page
    shown = site.get("/system").json
    assert shown["upgrade"]["target"] == "0008"
    assert (shown["upgrade"]["step"], shown["backfills"]) == ("", [])
    shown = site.get("/system", admin).json
    assert (shown["upgrade"]["holder"], shown["upgrade"]["step"]) == (HOLDER, STEP)
    assert [(one["name"], one["done"]) for one in shown["backfills"]] == [("weigh", 430)]
    end(site.engine)
    site.get("/system/health")
    assert "is being upgraded" not in site.client.get("/devices").text
    assert site.get("/system").json["upgrade"] is None


def test_only_admins_are_told_on_pages_how_far_back_fills_are() -> None:
    weigh = Progress(
        name="weigh",
        done=430,
        total=1000,
        started_at=None,
        finished_at=None,
        rests="9 queries run",
        error="",
    )
    state = State(parts=(), load=None, backfills=(weigh,))
    assert tell_moves(state, is_admin=True) == ["Back-fill weigh: 43 % (9 queries run)"]
    assert tell_moves(state, is_admin=False) == []


def test_followers_of_events_are_told_when_an_upgrade_begins_and_ends() -> None:
    async def scene() -> bytes:
        async def find(_jobs: list[int]) -> list[Told]:
            return []

        async def nothing(_happened: list[Occurrence]) -> list[LabEvent]:
            return []

        hub = Hub(find, nothing, "org")
        follower = hub.join(ANONYMOUS)
        hub.tell_system()
        async with asyncio.timeout(10):
            await follower.waiting.changed.wait()
        return b"".join(follower.waiting.take())

    assert asyncio.run(scene()).startswith(b"event: system\n")


class _Sentry(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 - filled by the handlers of one test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.bodies.append(gzip.decompress(body) if packed else body)
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


def test_sentry_is_told_of_an_upgrade_as_a_deployment() -> None:
    done = Upgraded(found="0007", target="0009", revisions=("0008", "0009"), seconds=1.5)
    with HTTPServer(("127.0.0.1", 0), _Sentry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(
            sentry_dsn=f"http://key@127.0.0.1:{server.server_port}/1", sentry_environment="staging"
        )
        deployment.report(settings, done)
        server.shutdown()
    lines = b"\n".join(_Sentry.bodies).splitlines()
    event = next(json.loads(line) for line in lines if b'"message"' in line)
    assert event["environment"] == "staging"
    assert event["release"] == f"labq@{event['tags']['deployment']}"
    assert (event["tags"]["schema.from"], event["tags"]["schema.to"]) == ("0007", "0009")


def _labq(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("labq")), "db", *words],
        env={"LABQ_DATABASE_URL": settings.database_url, "LABQ_STATE": str(settings.state)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_command_line_upgrades_tells_drift_and_what_is_under_way(
    settings: Settings, site: Site
) -> None:
    done = _labq(settings, "upgrade", "--json")
    assert (done.returncode, json.loads(done.stdout)["drift"]) == (0, []), done.stderr
    site.change("DROP INDEX ix_audit_subject")
    checked = _labq(settings, "check", "--json")
    assert checked.returncode == 1, checked.stderr
    (drift,) = json.loads(checked.stdout)["error"]["drift"]
    assert (drift["kind"], drift["name"]) == ("missing", "index ix_audit_subject")
    site.add(Backfill(name="weigh", done=430, total=1000, rests="9 queries run"))
    _announce(site.engine)
    status = _labq(settings, "status").stdout
    assert f"runs: {STEP}" in status
    assert "back-fill weigh: 43 %, 430 of about 1000 rows\n    rests: 9 queries run" in status
    _kill(site.engine)
    assert "was interrupted: run `labq db upgrade` again" in _labq(settings, "status").stdout
