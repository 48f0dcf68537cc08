"""Secrets that users leave with the server: stored sealed, used by name, never shown again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConfigurationError
from labq.models.rights import RemoteToken
from labq.models.user import Token
from labq.services import remote_tokens, secret_lookup, tokens
from tests.integration.web_site import Person, Site

KEYS = ("test-key",)
VALUE = "glpat-1234567890"


def store(site: Site, person: Person, name: str = "artifacts", value: str = VALUE) -> None:
    body = {"name": name, "token": value}
    answer = site.send("POST", "/remote-tokens", person, json=body)
    assert answer.status_code == 201, answer.text
    assert value not in answer.text


def test_a_value_is_stored_sealed_and_not_shown_again(site: Site, ann: Person, bob: Person) -> None:
    store(site, ann)
    shown = site.get("/remote-tokens", ann)
    assert [one["name"] for one in shown.json] == ["artifacts"]
    assert VALUE not in shown.text
    assert site.get("/remote-tokens", bob).json == []
    assert site.get("/remote-tokens").status_code == 401
    with Session(site.engine) as session:
        assert VALUE.encode() not in session.scalars(select(RemoteToken.sealed)).one()
        assert remote_tokens.find(session, ann.id, "artifacts", keys=KEYS) == VALUE
        assert remote_tokens.find(session, bob.id, "artifacts", keys=KEYS) is None


def test_a_name_is_taken_once_and_removed_by_its_owner(
    site: Site, ann: Person, bob: Person
) -> None:
    store(site, ann, "a/b c")
    body = {"name": "a/b c", "token": "other"}
    assert site.send("POST", "/remote-tokens", ann, json=body).status_code == 409
    assert site.send("DELETE", "/remote-tokens/a%2Fb%20c", bob).status_code == 404
    assert site.send("DELETE", "/remote-tokens/a%2Fb%20c", ann).status_code == 204
    assert site.send("DELETE", "/remote-tokens/a%2Fb%20c", ann).status_code == 404


@pytest.mark.parametrize("name", ["", " x", "two\nlines", "x" * 101])
def test_a_name_that_cannot_stand_in_a_definition_is_refused(
    site: Site, ann: Person, name: str
) -> None:
    body = {"name": name, "token": VALUE}
    assert site.send("POST", "/remote-tokens", ann, json=body).status_code in {400, 422}


def test_a_callback_sends_an_api_token_before_a_remote_one_before_the_text(
    site: Site, ann: Person
) -> None:
    store(site, ann, "both")
    store(site, ann, "remote")
    made = site.send("POST", "/tokens", ann, json={"description": "both"}).json["secret"]
    with Session(site.engine) as session:
        for text, expected in (("both", made), ("remote", VALUE), ("literal", "literal")):
            assert secret_lookup.find(session, ann.id, text, keys=KEYS) == expected
        # The token of the fixture was made without a key, as those before there were any.
        assert secret_lookup.find(session, ann.id, "test", keys=KEYS) == "test"


def test_a_new_key_takes_over_what_was_stored_under_the_old_one(site: Site, ann: Person) -> None:
    store(site, ann)
    site.send("POST", "/tokens", ann, json={"description": "ci"})
    keys = ("new-key", *KEYS)
    with Session(site.engine) as session, session.begin():
        assert remote_tokens.seal_anew(session, keys=keys) == 1
        assert tokens.seal_anew(session, keys=keys) == 1
        assert remote_tokens.seal_anew(session, keys=keys) == 0
    with Session(site.engine) as session:
        assert remote_tokens.find(session, ann.id, "artifacts", keys=("new-key",)) == VALUE
        assert tokens.find_secret(session, ann.id, "ci", keys=("new-key",)) is not None
        with pytest.raises(ConfigurationError):
            remote_tokens.find(session, ann.id, "artifacts", keys=KEYS)


def test_a_row_moved_to_somebody_else_does_not_open(site: Site, ann: Person, bob: Person) -> None:
    store(site, ann)
    site.change(f"UPDATE remote_token SET user_id = {bob.id}")
    with Session(site.engine) as session, pytest.raises(ConfigurationError, match="damaged"):
        remote_tokens.find(session, bob.id, "artifacts", keys=KEYS)


def test_stored_tokens_of_several_users_are_found_with_one_query(site: Site, ann: Person) -> None:
    store(site, ann)
    with Session(site.engine) as session:
        stored = remote_tokens.find_stored(session, {ann.id, 999}, keys=KEYS)
    assert stored.find(ann.id, "artifacts") == VALUE
    assert stored.find(ann.id, "other") is None
    assert stored.find(999, "artifacts") is None


def test_a_revoked_token_takes_its_sealed_secret_along(site: Site, ann: Person) -> None:
    with Session(site.engine) as session, session.begin():
        made = tokens.create(session, ann.id, "ci", now=datetime.now(UTC), keys=KEYS)
    assert site.send("DELETE", f"/tokens/{made.id}", ann).status_code == 204
    with Session(site.engine) as session:
        assert session.get(Token, made.id) is None
        assert secret_lookup.find(session, ann.id, "ci", keys=KEYS) == "ci"
