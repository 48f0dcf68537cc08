"""Every page for everybody: it renders, shows what it should, and escapes what is hostile."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.errors import ErrorType
from labq.domain.states import Outcome
from labq.models.job import Job
from tests.integration.web_site import PASSWORD, Person, Site

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"
LARGEST = {"/api/docs": 250_000}
"""Bytes. This one tells all of the API."""
OPEN_PAGES = ["/", "/jobs", "/devices", "/hosts", "/login", "/api/docs"]
JOB_TABS = ["", "/results", "/definition", "/device", "/plan", "/progress"]


def _log_in(site: Site, name: str) -> FlaskClient:
    client = site.client
    page = client.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"name": name, "password": PASSWORD, "next": "/jobs", "csrf_token": token}
    answer = client.post("/login", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs")
    return client


def _csrf(page: str) -> str:
    return page.split('name="csrf_token" value="')[1].split('"', maxsplit=1)[0]


@pytest.fixture
def user(site: Site) -> FlaskClient:
    """Return a browser in which a user is logged in."""
    site.person("carol", password=PASSWORD)
    return _log_in(site, "carol")


@pytest.fixture
def boss(site: Site) -> FlaskClient:
    """Return a browser in which an admin is logged in."""
    site.person("boss", is_admin=True, password=PASSWORD)
    return _log_in(site, "boss")


def _write_log(settings: Settings, site: Site, run: int, lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    writer = Logs(settings.blobs).writer(run)
    writer.write(0, data, 0)
    writer.sync()
    writer.close()
    site.log(run, len(data), len(lines))


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_open_pages_render_for_everybody_on_an_empty_lab(
    site: Site, user: FlaskClient, boss: FlaskClient, path: str
) -> None:
    for client in (site.client, user, boss):
        answer = client.get(path)
        assert answer.status_code in ((200, 303) if path == "/login" else (200,))
        assert len(answer.data) < LARGEST.get(path, 100_000)


def test_open_pages_render_with_jobs_and_devices(
    site: Site, user: FlaskClient, boss: FlaskClient, ann: Person
) -> None:
    job, _ = site.finished_job(ann, site.device())
    site.job(ann, name="waits")
    for client in (site.client, user, boss):
        for path in ("/", "/jobs", "/devices", "/hosts", "/devices/board-1"):
            assert client.get(path).status_code == 200
        for tab in JOB_TABS:
            assert client.get(f"/jobs/{job}{tab}").status_code == 200
    assert "waits" in site.client.get("/jobs").text


def test_pages_that_need_a_user_lead_to_the_log_in_and_back(site: Site, user: FlaskClient) -> None:
    for path in ("/submit", "/tokens"):
        answer = site.client.get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login?next=%2F")
        assert user.get(path).status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/\n/x"]
)
def test_the_log_in_leads_to_this_site_only(site: Site, target: str) -> None:
    site.person("dave", password=PASSWORD)
    client = site.client
    token = _csrf(client.get("/login").text)
    form = {"name": "dave", "password": PASSWORD, "next": target, "csrf_token": token}
    assert client.post("/login", data=form).headers["Location"] == "/"


def test_a_wrong_password_shows_the_form_again(site: Site) -> None:
    client = site.client
    token = _csrf(client.get("/login").text)
    form = {"name": HOSTILE, "password": "wrong wrong", "csrf_token": token}
    answer = client.post("/login", data=form)
    assert answer.status_code == 401
    assert "wrong name or password" in answer.text
    assert "<script>alert" not in answer.text


def test_a_form_without_its_token_is_refused(site: Site, user: FlaskClient, ann: Person) -> None:
    job = site.job(ann)
    for path in ("/logout", "/submit", "/tokens", f"/jobs/{job}/cancel", f"/jobs/{job}/resubmit"):
        assert user.post(path, data={}).status_code == 403


def test_logging_out_ends_the_session(user: FlaskClient) -> None:
    token = _csrf(user.get("/jobs").text)
    assert user.post("/logout", data={"csrf_token": token}).status_code == 303
    assert user.get("/tokens").status_code == 302


def test_what_strangers_wrote_is_escaped_everywhere(
    settings: Settings, site: Site, ann: Person, boss: FlaskClient
) -> None:
    device = site.device()
    job, run = site.finished_job(ann, device)
    with Session(site.engine) as session, session.begin():
        row = session.get_one(Job, job)
        row.name = HOSTILE
        row.tags = [HOSTILE]
        row.outcome, row.error_type, row.error_message = (
            Outcome.INCOMPLETE,
            ErrorType.JOB,
            HOSTILE,
        )
    line = '- {"dt": "2026-01-01T00:00:00.123456+00:00", "lvl": "target", "msg": %s}'
    shown = HOSTILE.replace('"', '\\"')
    _write_log(
        settings,
        site,
        run,
        [
            (line % f'"{shown}"').encode(),
            (line % '"\\u001b[31mred"').encode(),
            b"\xff\xfe garbage <script>alert(3)</script>",
            b'- {"dt": "x", "lvl": "\\"><script>alert(4)</script>", "msg": "m"}',
            (line % f'"{"x" * 90_000}"').encode(),
        ],
    )
    paths = ["/", "/jobs", "/devices/board-1", *(f"/jobs/{job}{tab}" for tab in JOB_TABS)]
    for path in paths:
        page = boss.get(path).text
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
    assert "more characters in the raw log" in boss.get(f"/jobs/{job}").text


def test_a_hidden_job_has_no_page_for_strangers(site: Site, ann: Person, user: FlaskClient) -> None:
    job = site.job(ann, viewing_groups=[], name="secret plan")
    for client in (site.client, user):
        for tab in JOB_TABS:
            answer = client.get(f"/jobs/{job}{tab}")
            assert answer.status_code == 404
            assert "secret plan" not in answer.text


def test_the_log_shows_its_end_and_the_line_that_is_asked_for(
    settings: Settings, site: Site, ann: Person
) -> None:
    job, run = site.finished_job(ann, site.device())
    form = '- {"dt": "2026-01-01T00:00:00.123456+00:00", "lvl": "target", "msg": "text %d"}'
    _write_log(settings, site, run, [(form % number).encode() for number in range(2000)])
    end = site.client.get(f"/jobs/{job}").text
    assert 'id="L1999"' in end
    assert 'id="L0"' not in end
    middle = site.client.get(f"/jobs/{job}?line=700").text
    assert 'id="L700" class="target is-target"' in middle
    assert ">text 700<" in middle
    assert len(middle) < 100_000
    begin = site.client.get(f"/jobs/{job}?line=0").text
    assert 'id="L0"' in begin
    assert site.client.get(f"/jobs/{job}?line=99999999").status_code == 200


def test_a_page_of_the_log_stays_small_whatever_its_lines_are(
    settings: Settings, site: Site, ann: Person
) -> None:
    job, run = site.finished_job(ann, site.device())
    line = b'- {"dt": "x", "lvl": "target", "msg": "%s"}' % (b"&" * 1900)
    _write_log(settings, site, run, [line] * 500)
    assert len(site.client.get(f"/jobs/{job}").data) < 300_000


def test_the_jobs_page_filters_and_pages(site: Site, ann: Person) -> None:
    for number in range(30):
        site.job(ann, name=f"job number {number}")
    page = site.client.get("/jobs?name=&state=submitted&device_type=shell").text
    assert "job number 29" in page
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = site.client.get(older).text
    assert "job number 0" in second
    assert "job number 29" not in second
    assert site.client.get("/jobs?state=nonsense").status_code == 400
    assert "No job fits" in site.client.get("/jobs?outcome=canceled").text


def test_my_jobs_are_mine(site: Site, ann: Person, user: FlaskClient) -> None:
    site.job(ann, name="of somebody else")
    page = user.get("/jobs?mine=1").text
    assert "My jobs" in page
    assert "of somebody else" not in page


def test_results_are_grouped_filtered_and_linked_to_the_log(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    page = site.client.get(f"/jobs/{job}/results").text
    assert "0_smoke" in page
    assert "second" in page
    assert "second" not in site.client.get(f"/jobs/{job}/results?verdict=pass&suite=").text


def test_submitting_a_bad_definition_shows_each_problem_with_its_line(
    site: Site, user: FlaskClient
) -> None:
    token = _csrf(user.get("/submit").text)
    text = f"job_name: x\nnonsense: {json.dumps(HOSTILE)}\nactions: 5\n"
    answer = user.post("/submit", data={"definition": text, "csrf_token": token})
    assert answer.status_code == 400
    assert "line 3" in answer.text
    assert "<script>alert" not in answer.text


GOOD = """\
job_name: from the page
device_type: shell
visibility: public
timeouts: {job: {minutes: 1}}
actions: []
"""


def test_submitting_a_good_definition_leads_to_its_job(site: Site, user: FlaskClient) -> None:
    site.device()
    token = _csrf(user.get("/submit").text)
    checked = user.post("/submit", data={"definition": GOOD, "check": "1", "csrf_token": token})
    assert "The definition is good" in checked.text
    answer = user.post("/submit", data={"definition": GOOD, "csrf_token": token})
    assert answer.status_code == 303
    job = answer.headers["Location"]
    assert "from the page" in user.get(job).text
    number = job.rsplit("/", 1)[1]
    assert "from the page" in user.get(f"/submit?job={number}").text
    again = user.post(f"{job}/resubmit", data={"csrf_token": token})
    assert again.headers["Location"] != job
    canceled = user.post(f"{job}/cancel", data={"csrf_token": token}, follow_redirects=True)
    assert "canceled" in canceled.text


def test_a_token_is_shown_once_and_can_be_revoked(site: Site, user: FlaskClient) -> None:
    token = _csrf(user.get("/tokens").text)
    made = user.post("/tokens", data={"description": "ci", "days": "5", "csrf_token": token}).text
    secret = made.split("<pre>")[1].split("<")[0]
    headers = {"Authorization": f"Bearer {secret}"}
    assert site.client.get("/api/v1/system/whoami", headers=headers).json["name"] == "carol"
    assert secret not in user.get("/tokens").text
    key = made.split('name="token" value="')[-1].split('"')[0]
    user.post("/tokens/revoke", data={"token": key, "csrf_token": token})
    assert site.client.get("/api/v1/system/whoami", headers=headers).status_code == 401


def test_an_admin_takes_a_device_and_a_host_out_of_service_with_a_reason(
    site: Site, boss: FlaskClient, user: FlaskClient
) -> None:
    site.device()
    form = {"health": "maintenance", "reason": "new <b>fan</b>"}
    for path, shown in (("/devices/board-1", "/devices/board-1"), ("/hosts/rack", "/hosts")):
        refused = user.post(
            f"{path}/health", data={**form, "csrf_token": _csrf(user.get("/").text)}
        )
        assert refused.status_code == 403
        token = _csrf(boss.get(shown).text)
        assert boss.post(f"{path}/health", data={**form, "csrf_token": token}).status_code == 303
        assert "<option selected>maintenance" in boss.get(shown).text
    page = boss.get("/devices/board-1").text
    assert "new &lt;b&gt;fan&lt;/b&gt;" in page


def test_lavas_addresses_lead_to_the_pages(site: Site, ann: Person) -> None:
    job = site.job(ann)
    assert site.client.get(f"/scheduler/job/{job}").headers["Location"] == f"/jobs/{job}"
    assert site.client.get(f"/results/{job}").headers["Location"] == f"/jobs/{job}/results"
    assert site.client.get("/scheduler/device/b1").headers["Location"] == "/devices/b1"


@pytest.mark.parametrize("path", ["/nowhere", "/jobs/999999", "/devices/none", "/jobs/0x1"])
def test_what_is_not_there_has_a_page_that_says_so(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text


def test_a_silent_conductor_and_host_are_alarms_on_the_overview(site: Site) -> None:
    assert "No conductor" in site.client.get("/").text


def _add_device(boss: FlaskClient, template: str) -> TestResponse:
    page = boss.get("/add-device")
    assert page.status_code == 200
    fields = {"name": "board-9", "device_type": "board", "host": "rack", "tags": "usb hdmi"}
    return boss.post(
        "/add-device", data={**fields, "template": template, "csrf_token": _csrf(page.text)}
    )


def test_an_admin_adds_a_device_that_waits_in_maintenance(site: Site, boss: FlaskClient) -> None:
    site.device("board-1")
    answer = _add_device(boss, "{% extends 'labq/base.jinja2' %}\r\n")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/devices/board-9")
    page = boss.get("/devices/board-9").text
    assert "maintenance" in page
    assert "hdmi, usb" in page


def test_a_device_whose_dictionary_is_wrong_is_not_added(site: Site, boss: FlaskClient) -> None:
    site.device("board-1")
    answer = _add_device(boss, "{% extends 'nothing.jinja2' %}")
    assert answer.status_code == 400
    assert "nothing.jinja2" in answer.text
    assert "board-9" in answer.text
    assert boss.get("/devices/board-9").status_code == 404


def test_only_admins_add_devices(user: FlaskClient) -> None:
    assert user.get("/add-device").status_code == 403
