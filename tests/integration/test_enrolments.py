"""Codes of hosts over the API: made, exchanged once, refused with the reason, made void."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text

from labq.conductor.access import Access
from labq.conductor.renewal import Renewal
from labq.services import certificates, redis_access
from tests.integration.conductor_lab import Lab
from tests.integration.web_site import Person, Site


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    """Return an admin's client of Redis without users of hosts."""
    found = redis_access.connect(redis_url)
    for user in redis_access.users(found):
        found.acl_deluser(user)
    return found


def _invite(site: Site, admin: Person, host: str = "rack", **body: object) -> Any:
    return site.send("POST", f"/hosts/{host}/enrolment", admin, json=body)


def _join(site: Site, code: str, clock: datetime | None = None) -> Any:
    now = clock or datetime.now(UTC)
    body = {"code": code, "clock": now.isoformat(), "machine": "shelf"}
    return site.send("POST", "/enrolment/join", json=body)


def _joined(site: Site, admin: Person, host: str = "rack") -> Any:
    answer = _join(site, _invite(site, admin, host).json["code"])
    assert answer.status_code == 201, answer.json
    return answer.json


def _can_work(setup: Any) -> bool:
    with redis_access.connect(setup["redis_url"]) as host:
        try:
            return bool(host.xadd("rack.up", {"e": "x"}))
        except (redis.AuthenticationError, redis.ConnectionError):
            return False


def test_a_code_is_exchanged_once_for_what_a_host_needs(
    site: Site, admin: Person, client: redis.Redis
) -> None:
    made = _invite(site, admin)
    assert made.status_code == 201
    assert site.get("/hosts/rack").json["enrolment"]["stage"] == "invited"
    setup = _join(site, made.json["code"]).json
    assert setup["host"] == "rack"
    assert _can_work(setup)
    shown = site.get("/hosts/rack").json["enrolment"]
    assert (shown["stage"], shown["joined_from"]) == ("joined", "shelf")
    again = _join(site, made.json["code"])
    assert again.status_code == 409
    assert "used already" in again.json["detail"]
    assert "shelf" in again.json["detail"]
    assert _can_work(setup)
    assert list(redis_access.users(client)) == ["host.rack"]


def test_no_secret_of_a_host_is_stored(site: Site, admin: Person) -> None:
    code = _invite(site, admin).json["code"]
    setup = _join(site, code).json
    password = setup["redis_url"].split(":")[2].partition("@")[0]
    with site.engine.begin() as connection:
        row = str(connection.execute(text("SELECT * FROM enrolment")).one())
    assert not [secret for secret in (code, password, setup["credential"]) if secret in row]
    assert hashlib.sha256(password.encode()).hexdigest() in row


def test_a_wrong_code_is_refused(site: Site, admin: Person) -> None:
    code = _invite(site, admin).json["code"]
    answer = _join(site, code[:-1])
    assert answer.status_code == 403
    assert "no such code" in answer.json["detail"]
    assert _join(site, code).status_code == 201


def test_an_expired_code_says_when_it_expired(site: Site, admin: Person) -> None:
    code = _invite(site, admin, ttl_seconds=60).json["code"]
    site.change("UPDATE enrolment SET code_expires_at = now() - interval '1 minute'")
    answer = _join(site, code)
    assert answer.status_code == 403
    assert "expired on" in answer.json["detail"]
    assert "labq host enroll rack" in answer.json["detail"]


@pytest.mark.parametrize("hours", [-1.1, 1.1])
def test_a_clock_that_is_an_hour_off_is_told_with_both_times_and_keeps_the_code(
    site: Site, admin: Person, hours: float
) -> None:
    code = _invite(site, admin).json["code"]
    clock = datetime.now(UTC) + timedelta(hours=hours)
    answer = _join(site, code, clock)
    assert answer.status_code == 400
    assert f"{clock:%Y-%m-%d %H:%M:%S}" in answer.json["detail"]
    assert "1 h" in answer.json["detail"]
    assert _join(site, code).status_code == 201


def test_the_name_of_a_host_that_joined_is_taken_until_it_is_cut_off(
    site: Site, admin: Person
) -> None:
    _joined(site, admin)
    taken = _invite(site, admin)
    assert taken.status_code == 409
    assert "joined on" in taken.json["detail"]
    assert site.send("DELETE", "/hosts/rack/enrolment", admin).status_code == 204
    assert _can_work(_joined(site, admin))
    assert site.get("/hosts/rack").json["health"] == "active"


def test_a_new_code_makes_the_one_before_it_void(site: Site, admin: Person) -> None:
    first, second = (_invite(site, admin).json["code"] for _ in range(2))
    assert _join(site, first).status_code == 403
    assert _join(site, second).status_code == 201


@pytest.mark.parametrize(
    "name", ["labq", "core", "Celery", "h.1", "h*", "-h", "a%20b", "h1%0Ax", "h%5B1%5D", "x" * 64]
)
def test_a_name_that_no_queue_can_have_is_refused(site: Site, admin: Person, name: str) -> None:
    answer = _invite(site, admin, name)
    assert answer.status_code == 400
    assert answer.json["errors"][0]["path"] == "host"
    assert site.get("/hosts").json["items"] == []


def test_only_admins_invite_and_cut_off(site: Site, admin: Person, ann: Person) -> None:
    assert _invite(site, ann).status_code == 403
    _joined(site, admin)
    assert site.send("DELETE", "/hosts/rack/enrolment", ann).status_code == 403
    assert site.send("DELETE", "/hosts/none/enrolment", admin).status_code == 404


def test_a_host_that_is_cut_off_has_nothing_left(
    site: Site, admin: Person, client: redis.Redis
) -> None:
    setup = _joined(site, admin)
    assert _can_work(setup)
    assert site.send("DELETE", "/hosts/rack/enrolment", admin).status_code == 204
    assert not _can_work(setup)
    assert redis_access.users(client) == {}
    now = datetime.now(UTC).isoformat()
    body = {"credential": setup["credential"], "clock": now}
    assert site.send("POST", "/enrolment/renew", json=body).status_code == 403
    row = site.get("/hosts/rack").json
    assert (row["health"], row["enrolment"]["stage"]) == ("retired", "revoked")


def test_a_host_renews_its_secrets_and_the_old_ones_are_void(site: Site, admin: Person) -> None:
    old = _joined(site, admin)
    now = datetime.now(UTC).isoformat()
    body = {"credential": old["credential"], "clock": now}
    new = site.send("POST", "/enrolment/renew", json=body).json
    assert _can_work(new)
    assert not _can_work(old)
    assert site.send("POST", "/enrolment/renew", json=body).status_code == 403


def test_guessing_codes_is_slowed(site: Site) -> None:
    codes = [_join(site, f"rack:{number}").status_code for number in range(12)]
    assert codes[-1] == 429


def test_hosts_are_told_whom_to_trust(site: Site, settings: Any, tmp_path: Path) -> None:
    issued = certificates.ensure(tmp_path / "tls", ["lab.example.org"], datetime.now(UTC))
    shown = site.get("/enrolment").json
    assert settings.state == tmp_path
    assert shown["certificate"] == issued.authority.read_text()
    assert len(shown["sha256"]) == 64
    assert abs(datetime.fromisoformat(shown["clock"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_leader_gives_an_emptied_redis_its_hosts_again_and_takes_away_those_cut_off(
    site: Site, admin: Person, bare_lab: Lab, client: redis.Redis
) -> None:
    setup, other = _joined(site, admin), _joined(site, admin, "other")
    line = redis_access.users(client)["host.other"]
    assert site.send("DELETE", "/hosts/other/enrolment", admin).status_code == 204
    client.acl_deluser("host.rack")
    client.execute_command("ACL", "SETUSER", *line.replace("user ", "", 1).split(" "))
    assert not _can_work(setup)
    Access(bare_lab.lead(), client, Renewal(client, bare_lab.settings.state)).turn()
    assert _can_work(setup)
    assert not _can_work(other)
    assert list(redis_access.users(client)) == ["host.rack"]


def test_the_leader_takes_back_rights_that_somebody_added(
    site: Site, admin: Person, bare_lab: Lab, client: redis.Redis
) -> None:
    _joined(site, admin)
    access = Access(bare_lab.lead(), client, Renewal(client, bare_lab.settings.state))
    access.turn()
    right = redis_access.users(client)
    client.execute_command("ACL", "SETUSER", "host.rack", "+@all", "~*")
    assert redis_access.users(client) != right
    access.turn()
    assert redis_access.users(client) == right
