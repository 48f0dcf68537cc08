"""Users, groups, tokens and the system over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from labq.models.user import Token, User
from labq.services import tokens
from labq.web.limits import MOST_ATTEMPTS
from tests.integration.web_site import PASSWORD, Person, Site


def log_in(site: Site, name: str, password: str) -> Any:
    body = {"name": name, "password": password}
    return site.send("POST", "/system/login", json=body)


def test_an_admin_makes_lists_and_ends_accounts(site: Site, admin: Person) -> None:
    body = {"name": "carol", "email": "carol@example.org", "password": PASSWORD}
    made = site.send("POST", "/users", admin, json=body)
    assert made.status_code == 201
    assert made.json["has_password"] is True
    assert PASSWORD not in made.text
    assert site.send("POST", "/users", admin, json=body).status_code == 409
    assert [each["name"] for each in site.get("/users", admin).json["items"]] == ["carol", "root"]
    ended = site.send("PATCH", "/users/carol", admin, json={"is_active": False})
    assert ended.json["is_active"] is False
    assert ended.json["email"] == "carol@example.org"
    assert log_in(site, "carol", PASSWORD).status_code == 401


def test_a_token_of_an_ended_account_is_dead(site: Site, admin: Person, ann: Person) -> None:
    site.send("PATCH", "/users/ann", admin, json={"is_active": False})
    assert site.get("/system/whoami", ann).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a b"},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "x", "password": "short"},
        {"name": "x\n"},
        {"email": "a"},
    ],
)
def test_a_bad_account_is_refused(site: Site, admin: Person, body: dict[str, str]) -> None:
    answer = site.send("POST", "/users", admin, json=body)
    assert answer.status_code == 400
    assert answer.json["errors"]


def test_one_sees_and_changes_only_ones_own_account(site: Site, ann: Person, bob: Person) -> None:
    assert site.get("/users/ann", ann).json["name"] == "ann"
    assert site.get("/users/ann", bob).status_code == 403
    body = {"password": "a new password"}
    assert site.send("PUT", "/users/ann/password", bob, json=body).status_code == 403
    assert site.send("PUT", "/users/ann/password", ann, json=body).status_code == 204
    assert log_in(site, "ann", "a new password").status_code == 201


def test_name_and_password_give_a_token_that_works(site: Site) -> None:
    site.person("dora", password=PASSWORD)
    made = log_in(site, "dora", PASSWORD)
    assert made.status_code == 201
    secret = made.json["secret"]
    answer = site.get("/system/whoami", headers={"Authorization": f"Token {secret}"})
    assert answer.json == {"name": "dora", "is_admin": False}
    assert log_in(site, "dora", PASSWORD).status_code == 201


def test_a_wrong_name_looks_like_a_wrong_password(site: Site, ann: Person) -> None:
    site.person("dora", password=PASSWORD)
    answers = [log_in(site, name, "wrong password") for name in ("dora", "nobody", "ann")]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.text for answer in answers}) == 1


def test_guessing_is_stopped_for_the_name_alone(site: Site) -> None:
    site.person("dora", password=PASSWORD)
    site.person("emil", password=PASSWORD)
    for _ in range(MOST_ATTEMPTS):
        assert log_in(site, "dora", "wrong password").status_code == 401
    answer = log_in(site, "dora", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert log_in(site, "emil", PASSWORD).status_code == 201


def test_a_good_log_in_forgets_the_bad_ones(site: Site) -> None:
    site.person("dora", password=PASSWORD)
    for _ in range(MOST_ATTEMPTS - 1):
        assert log_in(site, "dora", "wrong password").status_code == 401
    assert log_in(site, "dora", PASSWORD).status_code == 201
    for _ in range(2):
        assert log_in(site, "dora", "wrong password").status_code == 401


def test_a_token_shows_its_secret_once_and_dies_when_revoked(site: Site, ann: Person) -> None:
    made = site.send("POST", "/tokens", ann, json={"description": "ci"})
    assert made.status_code == 201
    secret = made.json["secret"]
    assert secret.startswith("labq_")
    listed = site.get("/tokens", ann)
    assert [each["description"] for each in listed.json] == ["test", "ci"]
    assert secret not in listed.text
    with Session(site.engine) as session:
        row = session.get_one(Token, made.json["id"])
        assert secret.encode() not in row.digest
    assert site.send("POST", "/tokens", ann, json={"description": "ci"}).status_code == 409
    assert site.send("DELETE", f"/tokens/{made.json['id']}", ann).status_code == 204
    headers = {"Authorization": f"Bearer {secret}"}
    assert site.get("/system/whoami", headers=headers).status_code == 401
    assert site.send("DELETE", f"/tokens/{made.json['id']}", ann).status_code == 404


def test_a_token_of_somebody_else_is_out_of_reach(
    site: Site, ann: Person, bob: Person, admin: Person
) -> None:
    (token,) = site.get("/tokens", ann).json
    assert site.send("DELETE", f"/tokens/{token['id']}", bob).status_code == 404
    assert site.get("/tokens?user=ann", bob).status_code == 403
    body = {"description": "for ann", "user": "ann"}
    assert site.send("POST", "/tokens", bob, json=body).status_code == 403
    assert site.send("POST", "/tokens", admin, json=body).status_code == 201
    assert len(site.get("/tokens?user=ann", admin).json) == 2
    assert site.send("DELETE", f"/tokens/{token['id']}", admin).status_code == 204
    assert site.get("/tokens?user=nobody", admin).status_code == 404


def test_a_token_ends_when_it_expires(site: Site, ann: Person) -> None:
    now = datetime.now(UTC)
    with Session(site.engine) as session, session.begin():
        made = tokens.create(
            session, ann.id, "short", now=now, expires_at=now + timedelta(seconds=60)
        )
    with Session(site.engine) as session:
        assert tokens.authenticate(session, made.secret, now).name == "ann"
        with pytest.raises(tokens.UnauthenticatedError):
            tokens.authenticate(session, made.secret, now + timedelta(seconds=61))


def test_the_use_of_a_token_is_noted_once_a_minute(site: Site, ann: Person) -> None:
    now = datetime.now(UTC)
    for seconds, noted in ((0, 0), (59, 0), (61, 61), (120, 61)):
        with Session(site.engine) as session, session.begin():
            tokens.authenticate(session, ann.token, now + timedelta(seconds=seconds))
        (token,) = site.get("/tokens", None, headers=ann.headers).json
        with Session(site.engine) as session:
            used = session.get_one(Token, token["id"]).last_used_at
        assert used == now + timedelta(seconds=noted)


def test_noting_the_use_of_a_token_waits_for_nobody(site: Site, ann: Person) -> None:
    now = datetime.now(UTC)
    with Session(site.engine) as first, first.begin():
        tokens.authenticate(first, ann.token, now)
        assert site.get("/system/whoami", ann).status_code == 200


def test_groups_are_made_and_filled_by_admins(site: Site, admin: Person, ann: Person) -> None:
    assert site.send("POST", "/groups", admin, json={"name": "kernel"}).status_code == 201
    assert site.send("POST", "/groups", admin, json={"name": "kernel"}).status_code == 409
    for _ in range(2):
        answer = site.send("PUT", "/groups/kernel/members/ann", admin)
        assert answer.json["members"] == ["ann"]
    (group,) = site.get("/groups", ann).json["items"]
    assert (group["name"], group["member_count"]) == ("kernel", 1)
    assert site.get("/users/ann", ann).json["groups"] == ["kernel"]
    assert site.send("DELETE", "/groups/kernel/members/ann", admin).json["members"] == []
    for path in ("/groups/none/members/ann", "/groups/kernel/members/none"):
        assert site.send("PUT", path, admin).status_code == 404
        assert site.send("DELETE", path, admin).status_code == 404
    assert site.get("/groups/none", ann).status_code == 404


def test_health_names_each_part_and_is_503_without_a_conductor(site: Site) -> None:
    site.device()
    answer = site.get("/system/health")
    assert answer.status_code == 503
    parts = {part["name"]: part["is_well"] for part in answer.json["parts"]}
    assert parts == {"database": True, "redis": True, "conductor": False, "host rack": True}
    lead = "INSERT INTO leader (id, term, holder, until) VALUES (1, 1, 'here', now() + interval"
    site.change(f"{lead} '1 hour')")
    assert site.get("/system/health").status_code == 200
    site.change("UPDATE leader SET until = now() - interval '5 s'")
    assert site.get("/system/health").status_code == 503


def test_a_name_without_a_password_cannot_log_in(site: Site, ann: Person) -> None:
    with Session(site.engine) as session:
        assert session.get_one(User, ann.id).password_hash is None
    assert log_in(site, "ann", "").status_code == 401
