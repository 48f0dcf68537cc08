"""What all endpoints share: who may call, how input is refused, what an error looks like."""

from __future__ import annotations

import re

import pytest

from labq.config import Settings
from labq.services.database import Role, make_engine
from labq.web.api import ENDPOINTS
from labq.web.app import LARGEST_BODY_BYTES, create_app
from labq.web.endpoint import Level
from tests.integration.web_site import Person, Site


def test_a_request_without_credentials_sees_the_version(site: Site) -> None:
    answer = site.get("/system/version")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert set(answer.json) == {"version"}


def test_a_token_says_who_one_is(site: Site, ann: Person) -> None:
    assert site.get("/system/whoami").json == {"name": None, "is_admin": False}
    assert site.get("/system/whoami", ann).json == {"name": "ann", "is_admin": False}


@pytest.mark.parametrize(
    "value",
    [
        "Bearer nonsense",
        "Bearer labq_" + "a" * 43,
        "Bearer",
        "Basic YTpi",
        "Digest a=b",
        "",
        "Bearer labq_" + "é" * 43,
    ],
)
def test_a_bad_token_is_401_with_a_challenge(site: Site, value: str) -> None:
    answer = site.get("/jobs", headers={"Authorization": value.encode("utf-8").decode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="labq"'
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == 401


def test_levels_are_kept_by_every_endpoint(site: Site, ann: Person) -> None:
    for endpoint in ENDPOINTS:
        path = re.sub("<[^>]*>", "x", re.sub("<id:[^>]*>", "1", endpoint.path))
        if endpoint.level is not Level.ANONYMOUS:
            assert site.send(endpoint.method, path).status_code == 401, path
        if endpoint.level is Level.ADMIN:
            assert site.send(endpoint.method, path, ann).status_code == 403, path


@pytest.mark.parametrize(
    "key", ["!", "aTE", "aS0x", "bmE", "é", "a" * 401, "aTk5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
def test_a_bad_page_key_is_told_by_its_name(site: Site, key: str) -> None:
    answer = site.get("/jobs", query_string={"after": key})
    if key == "aTE":
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json["errors"]] == ["after"]


def test_all_that_is_wrong_with_a_query_is_told_at_once(site: Site) -> None:
    answer = site.get("/jobs?limit=0&state=nowhere&colour=red&priority=high&since=yesterday")
    assert answer.status_code == 400
    paths = {problem["path"] for problem in answer.json["errors"]}
    assert paths == {"limit", "state[0]", "colour", "priority", "since"}


@pytest.mark.parametrize("path", ["/jobs?device=%00", "/device-types/%00", "/jobs?name=%ED%A0%80"])
def test_text_that_no_database_takes_is_not_sent_to_it(site: Site, path: str) -> None:
    assert site.get(path).status_code in {200, 400, 404}


@pytest.mark.parametrize("path", ["/jobs/9223372036854775808", "/jobs/-1", "/jobs/x", "/nowhere"])
def test_an_address_of_nothing_is_404_as_a_problem(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_a_wrong_method_is_405_and_names_the_right_ones(site: Site) -> None:
    answer = site.send("DELETE", "/jobs")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_body_that_is_too_large_is_413(site: Site, admin: Person) -> None:
    body = b'{"name": "' + b"x" * LARGEST_BODY_BYTES + b'"}'
    answer = site.send("POST", "/users", admin, data=body, content_type="application/json")
    assert answer.status_code == 413
    assert answer.json["status"] == 413


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_type_is_415(site: Site, admin: Person, kind: str) -> None:
    answer = site.send("POST", "/users", admin, data=b"{}", content_type=kind)
    assert answer.status_code == 415
    assert "application/json" in answer.json["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'"\\ud800"', b'{"name": "a\\u0000b"}']
)
def test_a_body_that_is_no_object_of_the_right_form_is_400(
    site: Site, admin: Person, body: bytes
) -> None:
    answer = site.send("POST", "/users", admin, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["errors"]


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(settings: Settings) -> None:
    engine = make_engine("postgresql://labq@127.0.0.1:1/none", Role.API)
    client = create_app(settings, engine).test_client()
    answer = client.get("/api/v1/jobs")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.content_type == "application/problem+json"
    assert b"Traceback" not in answer.data
    engine.dispose()


def test_a_bug_is_500_without_a_trace(settings: Settings) -> None:
    engine = make_engine(settings.database_url, Role.API)
    app = create_app(settings, engine)
    app.add_url_rule("/api/v1/broken", "broken", lambda: 1 / 0)
    answer = app.test_client().get("/api/v1/broken")
    assert answer.status_code == 500
    assert b"ZeroDivision" not in answer.data
    assert answer.json["status"] == 500
    engine.dispose()


def test_every_answer_tells_browsers_what_they_may_do(site: Site) -> None:
    for path in ("/api/v1/jobs", "/api/v1/nowhere", "/api/docs"):
        headers = site.client.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
