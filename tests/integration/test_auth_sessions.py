"""Web sessions, and the proof that a request comes from a page of ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.models.user import Login
from labq.services import logins
from labq.services.visibility import ANONYMOUS
from labq.web.limits import MOST_ATTEMPTS
from tests.integration.web_site import PASSWORD, Person, Site


def token_on(client: FlaskClient, path: str = "/login") -> str:
    """Return the CSRF token in the first form of a page."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD) -> int:
    data = {"name": "dora", "password": password, "next": "/", "csrf_token": token_on(client)}
    return client.post("/login", data=data).status_code


@pytest.fixture
def dora(site: Site) -> Person:
    """Return a user with a password."""
    return site.person("dora", password=PASSWORD)


@pytest.mark.usefixtures("dora")
def test_a_session_is_a_cookie_that_scripts_cannot_read(site: Site) -> None:
    client = site.client
    data = {"name": "dora", "password": PASSWORD, "csrf_token": token_on(client)}
    cookie = client.post("/login", data=data).headers["Set-Cookie"]
    assert cookie.startswith("labq_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert client.get("/api/v1/system/whoami").json["name"] == "dora"
    secret = cookie.split("=")[1].split(";")[0]
    with Session(site.engine) as session:
        assert secret.encode() not in session.scalars(select(Login.digest)).one()


@pytest.mark.usefixtures("dora")
def test_the_cookie_is_for_https_alone_where_there_is_https(site: Site) -> None:
    client = site.client
    page = client.get("/login", base_url="https://lab.example")
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page.text)
    assert found is not None
    data = {"name": "dora", "password": PASSWORD, "csrf_token": found[1]}
    answer = client.post("/login", data=data, base_url="https://lab.example")
    assert answer.status_code == 303
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.usefixtures("dora")
def test_a_session_ends_with_log_out_for_good(site: Site) -> None:
    client = site.client
    assert log_in(client) == 303
    cookie = client.get_cookie("labq_session")
    assert cookie is not None
    token = token_on(client, "/submit")
    assert client.post("/logout", data={"csrf_token": token}).status_code == 303
    assert client.get("/api/v1/system/whoami").json["name"] is None
    client.set_cookie("labq_session", cookie.value)
    assert client.get("/api/v1/system/whoami").json["name"] is None


def test_a_session_ends_with_its_time_and_with_the_account(
    site: Site, dora: Person, admin: Person
) -> None:
    now = datetime.now(UTC)
    with Session(site.engine) as session, session.begin():
        opened = logins.create(session, "dora", PASSWORD, now=now)
    with Session(site.engine) as session:
        assert logins.authenticate(session, opened.secret, now).user_id == dora.id
        later = now + logins.LIFETIME + timedelta(seconds=1)
        assert logins.authenticate(session, opened.secret, later) == ANONYMOUS
    site.send("PATCH", "/users/dora", admin, json={"is_active": False})
    with Session(site.engine) as session:
        assert logins.authenticate(session, opened.secret, now) == ANONYMOUS


def test_a_new_password_ends_all_sessions(site: Site, dora: Person) -> None:
    client = site.client
    assert log_in(client) == 303
    site.send("PUT", "/users/dora/password", dora, json={"password": "another password"})
    assert client.get("/api/v1/system/whoami").json["name"] is None
    assert log_in(client) == 401
    assert log_in(client, "another password") == 303


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43, "a" * 4000])
def test_a_forged_cookie_is_nobody(site: Site, cookie: str) -> None:
    client = site.client
    client.set_cookie("labq_session", cookie)
    answer = client.get("/api/v1/system/whoami")
    assert answer.status_code == 200
    assert answer.json["name"] is None


@pytest.mark.usefixtures("dora")
def test_a_form_without_its_token_is_refused(site: Site) -> None:
    client = site.client
    token_on(client)
    data = {"name": "dora", "password": PASSWORD}
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}, {"csrf_token": "é"}):
        answer = client.post("/login", data={**data, **token})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    other = token_on(site.client)
    assert client.post("/login", data={**data, "csrf_token": other}).status_code == 403


def test_the_session_alone_changes_nothing_over_the_api(site: Site, dora: Person) -> None:
    client = site.client
    log_in(client)
    job = site.job(dora)
    path = f"/api/v1/jobs/{job}/cancel"
    assert client.post(path).status_code == 403
    token = token_on(client, "/submit")
    headers = {"X-CSRF-Token": token, "Origin": "http://evil.example"}
    assert client.post(path, headers=headers).status_code == 403
    headers = {"X-CSRF-Token": token, "Origin": "http://localhost"}
    assert client.post(path, headers=headers).status_code == 200


def test_a_token_needs_no_proof_even_beside_a_session(site: Site, dora: Person) -> None:
    client = site.client
    log_in(client)
    job = site.job(dora)
    answer = client.post(f"/api/v1/jobs/{job}/cancel", headers=dora.headers)
    assert answer.status_code == 200


def test_a_page_for_users_leads_to_the_log_in_and_back(site: Site) -> None:
    answer = site.client.get("/submit?x=1")
    if answer.status_code == 400:
        answer = site.client.get("/submit")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login?next=%2Fsubmit")


@pytest.mark.usefixtures("dora")
def test_guessing_on_the_page_is_stopped_too(site: Site) -> None:
    client = site.client
    for _ in range(MOST_ATTEMPTS):
        assert log_in(client, "wrong password") == 401
    assert log_in(client) == 429


def test_an_api_token_opens_a_session_of_its_own_user_for_a_day(site: Site, dora: Person) -> None:
    client = site.client
    assert log_in(client, dora.token) == 303
    assert client.get("/api/v1/system/whoami").json["name"] == "dora"
    with Session(site.engine) as session:
        expires_at = session.scalars(select(Login.expires_at)).one()
    assert expires_at < datetime.now(UTC) + timedelta(days=1)


@pytest.mark.usefixtures("dora")
def test_a_token_of_somebody_else_opens_no_session(site: Site, bob: Person) -> None:
    assert log_in(site.client, bob.token) == 401
    assert log_in(site.client, bob.token + "x") == 401
