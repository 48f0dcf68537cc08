"""How many requests somebody may make, how large they may be, and how long they may take."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.domain.errors import TooSlowError
from labq.services.database import Role, attempt, make_engine
from labq.web.app import create_app
from labq.web.limits import BURST_SECONDS, RequestLimit
from tests.integration.web_site import Person, Site

STRANGER = {"REMOTE_ADDR": "198.51.100.7"}
OTHER = {"REMOTE_ADDR": "2001:db8::7"}
NEIGHBOUR = {"REMOTE_ADDR": "2001:db8::8"}
"""Of the same subscriber as OTHER."""
SELDOM = 0.001
"""A request every thousand seconds: the second one is refused however slow the test is."""
Limited = Callable[..., Site]


@pytest.fixture
def limited(settings: Settings) -> Iterator[Limited]:
    """Return a maker of applications with other limits."""
    engine = make_engine(settings.database_url, Role.API)

    def make(**changes: object) -> Site:
        return Site(create_app(settings.model_copy(update=changes), engine), engine)

    yield make
    engine.dispose()


def statuses(site: Site, path: str, number: int, person: Person | None = None) -> list[int]:
    return [site.get(path, person, environ_overrides=STRANGER).status_code for _ in range(number)]


def test_an_address_that_asks_too_often_is_told_when_to_come_back(limited: Limited) -> None:
    site = limited(anonymous_rate=SELDOM)
    assert statuses(site, "/jobs", 1) == [200]
    refused = site.get("/devices", environ_overrides=STRANGER)
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert "wait" in refused.json["detail"]
    assert 900 < int(refused.headers["Retry-After"]) <= 1000
    assert refused.headers["RateLimit"].startswith('"lists";r=0;t=')


def test_what_is_left_stands_in_the_headers(limited: Limited) -> None:
    first = limited(anonymous_rate=7.0).get("/jobs", environ_overrides=STRANGER)
    assert first.headers["RateLimit-Policy"] == f'"lists";q={7 * BURST_SECONDS};w={BURST_SECONDS}'
    assert first.headers["RateLimit"] == f'"lists";r={7 * BURST_SECONDS - 1};t=1'


def test_others_and_single_things_are_not_held_up(limited: Limited, ann: Person) -> None:
    site = limited(anonymous_rate=SELDOM)
    job = site.job(ann)
    assert statuses(site, "/jobs", 2) == [200, 429]
    assert site.get("/jobs", environ_overrides=OTHER).status_code == 200
    assert site.get("/jobs", environ_overrides=NEIGHBOUR).status_code == 429
    assert statuses(site, f"/jobs/{job}", 3) == [200, 200, 200]
    assert statuses(site, "/system/version", 2) == [200, 200]
    assert site.get("/jobs").status_code == 200


def test_a_page_that_is_refused_is_a_page(limited: Limited) -> None:
    site = limited(anonymous_rate=SELDOM)
    answers = [site.client.get("/devices", environ_overrides=STRANGER) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].content_type.startswith("text/html")
    assert "Retry-After" in answers[1].headers


def test_a_token_is_counted_by_itself_and_an_admin_not_at_all(
    limited: Limited, ann: Person, bob: Person, admin: Person
) -> None:
    site = limited(anonymous_rate=SELDOM, token_rate=SELDOM)
    assert statuses(site, "/jobs", 2, ann) == [200, 429]
    assert statuses(site, "/jobs", 1, bob) == [200]
    assert statuses(site, "/jobs", 4, admin) == [200] * 4


def test_tokens_that_are_not_good_count_for_their_address(limited: Limited) -> None:
    site = limited(anonymous_rate=SELDOM)
    found = [
        site.get(
            "/jobs",
            headers={"Authorization": f"Bearer labq_{number}"},
            environ_overrides=STRANGER,
        ).status_code
        for number in range(2)
    ]
    assert found == [401, 429]


def test_a_limit_of_zero_is_none(limited: Limited, ann: Person) -> None:
    site = limited(anonymous_rate=0.0, token_rate=0.0)
    assert statuses(site, "/jobs", 3) == [200] * 3
    assert "RateLimit" not in site.get("/jobs", ann).headers


def test_by_default_a_client_that_polls_is_not_limited(limited: Limited, ann: Person) -> None:
    assert statuses(limited(), "/jobs", 30, ann) == [200] * 30


def test_without_redis_all_pass_and_one_waits() -> None:
    with _silent_server() as (port, silent):
        limit = RequestLimit(Settings(redis_url=f"redis://127.0.0.1:{port}", anonymous_rate=SELDOM))
        with Flask("limits").test_request_context(environ_overrides=STRANGER):
            for _ in range(5):
                limit.admit_address("api.jobs.index")
        assert len(_accepted(silent)) == 1


@contextmanager
def _silent_server() -> Iterator[tuple[int, socket.socket]]:
    """Take connections and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        yield silent.getsockname()[1], silent


def _accepted(silent: socket.socket) -> list[socket.socket]:
    found: list[socket.socket] = []
    while True:
        try:
            connection, _ = silent.accept()
        except BlockingIOError:
            return found
        connection.close()
        found.append(connection)


def test_a_page_has_at_most_a_hundred_items(site: Site) -> None:
    for limit in ("1e9", "1000000000", "101", "0", "-1", "9" * 400):
        answer = site.get(f"/jobs?limit={limit}")
        assert answer.status_code == 400
        assert [problem["path"] for problem in answer.json["errors"]] == ["limit"]


def test_a_list_that_is_too_large_is_to_be_asked_for_in_parts(site: Site) -> None:
    for number in range(5):
        site.device(f"board-{number}")
    site.change("UPDATE device SET description = repeat('x', 1048576)")
    answer = site.get("/devices")
    assert answer.status_code == 400
    assert "fewer" in answer.json["errors"][0]["message"]
    assert site.get("/devices?limit=2").status_code == 200


def test_searches_for_anything_are_answered(site: Site) -> None:
    for field in ("name", "submitter", "device", "device_type", "host", "tag"):
        for value, status in (("a%00b", 400), ("%F0%9F%90%A7", 200), ("%25_", 200)):
            assert site.get(f"/jobs?{field}={value}").status_code == status


@contextmanager
def _held(site: Site) -> Iterator[None]:
    """Keep all queries for jobs waiting."""
    with site.engine.connect() as connection:
        connection.execute(text("LOCK TABLE job IN ACCESS EXCLUSIVE MODE"))
        yield


@pytest.fixture
def impatient(settings: Settings) -> Iterator[Engine]:
    """Return an engine whose statements have 0.2 s."""
    engine = create_engine(
        settings.database_url.replace("postgresql:", "postgresql+psycopg2:"),
        connect_args={"options": "-c statement_timeout=200"},
    )
    yield engine
    engine.dispose()


def test_a_statement_that_takes_too_long_is_told_as_that(
    settings: Settings, impatient: Engine, site: Site
) -> None:
    slow = Site(create_app(settings, impatient), impatient)
    with _held(site):
        answer = slow.get("/jobs")
        page: Any = slow.client.get("/jobs")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "narrower" in answer.json["detail"]
    assert answer.json["missing"] == []
    assert page.status_code == 200
    assert "could not be loaded in time" in page.text
    assert "Try again" in page.text


def test_a_lock_that_is_not_to_be_had_is_no_outage(settings: Settings, site: Site) -> None:
    engine = create_engine(
        settings.database_url.replace("postgresql:", "postgresql+psycopg2:"),
        connect_args={"options": "-c lock_timeout=100"},
    )
    with _held(site):
        answer = Site(create_app(settings, engine), engine).get("/jobs")
    engine.dispose()
    assert answer.status_code == 503
    assert "busy" in answer.json["detail"]
    assert answer.json["missing"] == []


def test_what_was_too_slow_leaves_the_rest_of_its_page_alone(impatient: Engine) -> None:
    with Session(impatient) as session, session.begin():
        session.execute(text("CREATE TEMPORARY TABLE seen (n int)"))
        with pytest.raises(TooSlowError):
            attempt(session, lambda inner: inner.execute(text("SELECT pg_sleep(20)")))
        session.execute(text("INSERT INTO seen VALUES (1)"))
        assert attempt(session, lambda inner: inner.scalar(text("SELECT n FROM seen"))) == 1
