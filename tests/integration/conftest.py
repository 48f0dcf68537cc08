"""Fixtures of tests that speak to the web application, or to a conductor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import event

from labq import queue
from labq.config import Settings
from labq.services.database import Role, make_engine
from labq.web.app import create_app
from tests.integration.conductor_lab import Lab
from tests.integration.web_site import Person, Site


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Return the settings of a server on this test's own database."""
    return Settings(
        state=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="test-key",
        cache=False,
    )


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Return the web application on this test's own database."""
    engine = make_engine(settings.database_url, Role.API)
    app = create_app(settings, engine)
    app.testing = False
    yield Site(app, engine)
    engine.dispose()


@pytest.fixture
def ann(site: Site) -> Person:
    """Return a user."""
    return site.person("ann")


@pytest.fixture
def bob(site: Site) -> Person:
    """Return another user."""
    return site.person("bob")


@pytest.fixture
def admin(site: Site) -> Person:
    """Return an admin."""
    return site.person("root", is_admin=True)


@pytest.fixture
def bare_lab(settings: Settings) -> Iterator[Lab]:
    """Return a server on this test's own database, without hosts."""
    queue.app.conf.broker_url = settings.redis_url
    engine = make_engine(settings.database_url, Role.API)
    with redis.Redis.from_url(settings.redis_url, protocol=2) as client:
        yield Lab(settings, engine, client)
    engine.dispose()


@pytest.fixture
def lab(bare_lab: Lab) -> Lab:
    """Return a server with a user, a host that is online, and one board."""
    bare_lab.prepare()
    bare_lab.online()
    return bare_lab


@pytest.fixture
def statements(bare_lab: Lab) -> Iterator[list[str]]:
    """Return the SQL statements that the lab's engine runs from now on."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(bare_lab.engine, "before_cursor_execute", note)
    yield seen
    event.remove(bare_lab.engine, "before_cursor_execute", note)
