"""Fixtures of the whole suite: a real PostgreSQL and a real Redis of labq's own, once a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg2
import pytest
import redis
from hypothesis import settings
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from labq.supervisor import postgres as postgres_server
from labq.supervisor import redis as redis_server
from labq.supervisor.postgres import Postgres
from tests.lab import programs

# How long an example takes is the machine's business.
settings.register_profile("labq", deadline=None)
settings.load_profile("labq")
# Tests lose nothing when the machine dies in the middle.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
TEMPLATE = "labq_template"
# Tests that share a running labq: where several processes run tests, one of them runs all of these.
TOGETHER = (
    "tests/acceptance/",
    "tests/chaos/",
    "tests/integration/test_supervisor_up.py",
    "tests/integration/test_outages.py",
    "tests/integration/test_joined_hosts.py",
)


class Together(LoadScopeScheduling):
    """Hands out tests one by one, those that share a running labq at once."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Return how tests are spread over processes, when there are several."""
    return Together(config, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Return the private PostgreSQL of this session."""
    server = postgres_server.prepare(tmp_path_factory.mktemp("postgres") / "data", QUICK)
    with programs.running(server.argv, server.folder, server.is_ready):
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """Return the URL of the server's maintenance database."""
    return postgres.url("postgres")


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """Return the name of a database with the newest schema, to clone from."""
    from labq.services.schema import upgrade  # noqa: PLC0415 - not for tests without a database

    postgres.create(TEMPLATE)
    upgrade(postgres.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """Return the URL of a fresh, migrated database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create(name, migrated_template)
    yield postgres.url(name)
    _execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_database_url(postgres: Postgres) -> Iterator[str]:
    """Return the URL of a fresh database without a schema."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create(name)
    yield postgres.url(name)
    _execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: Postgres, statement: str) -> None:
    connection = psycopg2.connect(server.url("postgres"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def redis_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of the private Redis of this session."""
    server = redis_server.prepare(tmp_path_factory.mktemp("redis"))
    with programs.running(server.argv, server.folder, server.is_ready):
        yield server.url


@pytest.fixture
def redis_url(redis_of_session: str) -> str:
    """Return the URL of an empty Redis, without users of hosts."""
    with redis.Redis.from_url(redis_of_session) as client:
        client.flushall()
        for user in client.acl_users():
            if user != "default":
                client.acl_deluser(user)
    return redis_of_session
