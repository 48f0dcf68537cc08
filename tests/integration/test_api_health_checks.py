"""Health checks, held devices and further runs over the API, on pages and on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.errors import ErrorType
from labq.domain.states import DeviceHealth, DeviceState, HostState, JobState, RunState
from labq.models.control import Audit
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run
from tests.integration.cli_runner import Cli, served
from tests.integration.test_pages import _csrf, _log_in
from tests.integration.web_site import PASSWORD, Person, Site

CHECK = """\
job_name: is it well
device_type: shell
visibility: public
priority: medium
timeouts:
  job: {minutes: 5}
actions:
- boot: {method: minimal, prompts: ['labq-shell:']}
"""
KIND = "/device-types/shell"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture
def board(site: Site) -> int:
    """Make a device of type shell, and return its id."""
    return site.device()


@pytest.mark.usefixtures("board")
def test_an_admin_sets_the_health_check_of_a_type(site: Site, admin: Person, ann: Person) -> None:
    body = {"health_check": CHECK, "health_frequency": 5, "health_denominator": "jobs"}
    assert site.send("PATCH", KIND, ann, json=body).status_code == 403
    shown = site.send("PATCH", KIND, admin, json=body).json
    assert (shown["has_health_check"], shown["health_frequency"]) == (True, 5)
    assert site.get(f"{KIND}/health-check", ann).text == CHECK
    check = site.get("/devices/board-1").json["check"]
    assert check == {"job": None, "submitted_at": None, "next": "now"}
    shown = site.send("PATCH", KIND, admin, json={"health_disabled": True}).json
    assert shown["has_health_check"]
    assert site.get("/devices/board-1").json["check"]["next"] == "never: disabled"
    site.send("PATCH", KIND, admin, json={"health_check": ""})
    assert site.get(f"{KIND}/health-check", ann).status_code == 404
    assert site.get("/devices/board-1").json["check"] is None
    with Session(site.engine) as session:
        rows = session.query(Audit).where(Audit.subject == "device_type").order_by(Audit.id).all()
    assert [row.after for row in rows] == [
        "a health check every 5 jobs",
        "a health check every 5 jobs, disabled",
        "no health check",
    ]


@pytest.mark.usefixtures("board")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"health_check": "a: ["}, "line"),
        ({"health_check": CHECK.replace("shell", "other", 1)}, "it is for 'other'"),
        ({"health_frequency": 0}, "health_frequency"),
        ({"health_denominator": "years"}, "health_denominator"),
    ],
)
def test_a_wrong_health_check_is_refused_with_its_reason(
    site: Site, admin: Person, body: dict[str, object], told: str
) -> None:
    answer = site.send("PATCH", KIND, admin, json=body)
    assert answer.status_code == 400
    assert told in answer.text
    assert not site.get(KIND).json["has_health_check"]
    assert site.send("PATCH", "/device-types/no", admin, json={}).status_code == 404


def test_a_held_device_says_what_it_waits_for_and_is_released_by_force(
    site: Site, admin: Person, ann: Person, board: int
) -> None:
    run = _lose(site, ann, board)
    shown = site.get("/devices/board-1").json["device"]
    assert shown["held"] == f"waits for host rack to report run {run} torn down"
    path = "/devices/board-1/release"
    assert site.send("POST", path, ann, json={"force": True}).status_code == 403
    answer = site.send("POST", path, admin, json={})
    assert (answer.status_code, "only by `force`" in answer.text) == (409, False)
    assert "torn down; only `force`" in answer.json["detail"]
    shown = site.send("POST", path, admin, json={"force": True}).json["device"]
    assert (shown["held"], shown["state"], shown["health"]) == ("", "idle", "unknown")


@pytest.mark.usefixtures("board")
def test_a_host_has_a_limit_of_silence_of_its_own(site: Site, admin: Person) -> None:
    assert site.get("/hosts/rack").json["lost_after_seconds"] is None
    shown = site.send("PATCH", "/hosts/rack", admin, json={"lost_after_seconds": 7200}).json
    assert shown["lost_after_seconds"] == 7200
    shown = site.send("PATCH", "/hosts/rack", admin, json={"lost_after_seconds": 0}).json
    assert shown["lost_after_seconds"] is None
    assert (
        site.send("PATCH", "/hosts/rack", admin, json={"lost_after_seconds": -1}).status_code == 400
    )


@pytest.mark.usefixtures("board")
def test_devices_of_a_host_that_is_used_again_are_to_be_proven(site: Site, admin: Person) -> None:
    for health, expected in (("maintenance", "good"), ("active", "unknown")):
        site.send("PATCH", "/hosts/rack", admin, json={"health": health})
        assert site.get("/devices/board-1").json["device"]["health"] == expected


def test_a_job_says_that_it_waits_for_a_silent_host(site: Site, ann: Person, board: int) -> None:
    job, _ = site.finished_job(ann, board)
    with Session(site.engine) as session, session.begin():
        session.execute(update(Job).values(state=JobState.CANCELING, outcome=None))
        session.execute(
            update(Host).values(state=HostState.OFFLINE, reported_at=NOW - timedelta(minutes=1))
        )
    told = site.get(f"/jobs/{job}").json["waits_for"]
    assert told.startswith("host rack, silent since 2026-11-20 09:59:00 UTC: the cancel is done")


def test_the_log_of_an_earlier_run_stays_reachable(
    site: Site, settings: Settings, ann: Person, board: int
) -> None:
    job, first = site.finished_job(ann, board)
    second = _add_run(site, job, first)
    for run, text in ((first, b"one"), (second, b"two")):
        _write_log(site, settings, run, text)
    with Session(site.engine) as session, session.begin():
        session.execute(update(Job).where(Job.id == job).values(run_id=second))
    assert site.get(f"/jobs/{job}/log").text == "- two\n"
    assert site.get(f"/jobs/{job}/log?run=1").text == "- one\n"
    assert site.get(f"/jobs/{job}/log/raw?run=1").text == "- one\n"
    assert site.get(f"/jobs/{job}/log?run=3").status_code == 404
    runs = site.get(f"/jobs/{job}").json["runs"]
    assert [(run["number"], run["error"]) for run in runs] == [
        (1, {"type": "Infrastructure", "message": "the serial port is dead"}),
        (2, None),
    ]
    page = site.client.get(f"/jobs/{job}").text
    assert f"/api/v1/jobs/{job}/log/raw?run=1" in page
    assert "the serial port is dead" in page


@pytest.mark.usefixtures("board")
def test_further_runs_are_asked_for_in_the_options(site: Site, ann: Person) -> None:
    body = {"definition": CHECK, "options": {"retry": {"infrastructure": 2}}}
    job = site.send("POST", "/jobs", ann, json=body).json["id"]
    assert site.get(f"/jobs/{job}", ann).json["retries_left"] == 2
    body["options"] = {"retry": {"infrastructure": -1}}
    assert site.send("POST", "/jobs", ann, json=body).status_code == 400


@pytest.mark.usefixtures("board")
def test_the_page_of_a_type_sets_its_health_check(site: Site) -> None:
    site.person("boss", is_admin=True, password=PASSWORD)
    browser = _log_in(site, "boss")
    assert _set_on_page(browser, health_check="a: [").status_code == 400
    answer = _set_on_page(
        browser, health_check=CHECK, health_frequency="7", health_disabled="false"
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, KIND)
    page = browser.get(KIND).text
    assert "every 7 hours" in page
    assert "is it well" in page
    assert "is it well" not in site.client.get(KIND).text
    assert "Next health check" in site.client.get("/devices/board-1").text


def test_the_page_of_a_held_device_releases_it(site: Site, ann: Person, board: int) -> None:
    _lose(site, ann, board)
    site.person("boss", is_admin=True, password=PASSWORD)
    browser = _log_in(site, "boss")
    page = browser.get("/devices/board-1").text
    assert "the board may still be powered" in page
    answer = browser.post("/devices/board-1/release", data={"csrf_token": _csrf(page)})
    assert answer.status_code == 303
    assert "the board may still be powered" not in browser.get("/devices/board-1").text


def test_the_command_line_sets_checks_and_releases_devices(
    site: Site, admin: Person, ann: Person, board: int, tmp_path: Path
) -> None:
    _lose(site, ann, board)
    file = tmp_path / "check.yaml"
    file.write_text(CHECK)
    with served(site) as url:
        cli = Cli(url, tmp_path)
        words = (
            "device-type",
            "set",
            "shell",
            "--health-check",
            file,
            "--every",
            3,
            "--per",
            "jobs",
        )
        assert "every 3 jobs" in cli(*words, person=admin).stdout
        shown = cli("device-type", "show", "shell", "--health-check", person=ann)
        assert shown.stdout.strip() == CHECK.strip()
        assert "next health check  now" in cli("device", "show", "board-1").stdout
        refused = cli("device", "release", "board-1", person=admin)
        assert (refused.returncode, "torn down" in refused.stderr) == (1, True)
        released = cli("device", "release", "board-1", "--force", person=admin)
        assert released.returncode == 0, released.stderr
        assert "nobody has switched board-1 off" in released.stderr
        submitted = cli(
            "job", "submit", "--retry-infrastructure", 2, "--json", "-", person=ann, stdin=CHECK
        )
        assert submitted.returncode == 0, submitted.stderr


def _set_on_page(browser: FlaskClient, **form: str) -> object:
    page = browser.get(KIND).text
    return browser.post(KIND, data={**form, "csrf_token": _csrf(page)})


def _lose(site: Site, person: Person, board: int) -> int:
    """Have a job's run be given up whose host is silent, and return the run."""
    _, run = site.finished_job(person, board)
    with Session(site.engine) as session, session.begin():
        row = session.get_one(Run, run)
        row.state, row.lost_at = RunState.ENDED, NOW
        device = session.get_one(Device, board)
        device.state, device.health, device.run_id = DeviceState.RUNNING, DeviceHealth.GOOD, run
        session.execute(update(Host).values(state=HostState.OFFLINE))
    return run


def _add_run(site: Site, job: int, first: int) -> int:
    with Session(site.engine) as session, session.begin():
        old = session.get_one(Run, first)
        old.error_type = ErrorType.INFRASTRUCTURE
        old.error_message = "the serial port is dead"
        run = Run(
            job_id=job,
            number=2,
            device_id=old.device_id,
            host=old.host,
            state=RunState.ENDED,
            epoch=1,
            next=0,
            reserved_at=NOW,
        )
        session.add(run)
        session.flush()
        return run.id


def _write_log(site: Site, settings: Settings, run: int, text: bytes) -> None:
    data = b"- " + text + b"\n"
    writer = Logs(settings.blobs).writer(run)
    writer.write(0, data, 0)
    writer.sync()
    writer.close()
    site.log(run, len(data), 1)
