"""The web process as it runs in production: waitress before the application."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx
import pytest
from sqlalchemy import URL, create_engine, text

from labq.config import Settings
from tests.integration.web_site import PASSWORD, Person, Site
from tests.lab.server import free_port

NUMBERS = count()


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    """Return the address of a running web process."""
    with _serving(settings, free_port()) as address:
        yield address


@contextmanager
def _serving(settings: Settings, port: int, **more: str) -> Iterator[str]:
    """Run a web process with more settings."""
    environment = {
        **os.environ,
        "LABQ_STATE": str(settings.state),
        "LABQ_DATABASE_URL": settings.database_url,
        "LABQ_REDIS_URL": settings.redis_url,
        "LABQ_SECRET_KEY": settings.secret_key,
        "LABQ_WEB_PORT": str(port),
        **{f"LABQ_{name.upper()}": value for name, value in more.items()},
    }
    command = [sys.executable, "-c", "from labq.web.serve import main; main()"]
    log = settings.state / f"web-{next(NUMBERS)}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stderr=output)
    try:
        limit = time.monotonic() + 30
        while f"web on 127.0.0.1:{port}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def test_it_answers_and_ends_by_sigterm(url: str) -> None:
    answer = httpx.get(f"{url}/api/v1/system/version")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_ten_megabytes_are_refused_in_our_own_words(url: str, ann: Person) -> None:
    headers = {**ann.headers, "Content-Type": "application/yaml"}
    answer = httpx.post(f"{url}/api/v1/jobs", content=b"x" * 10_000_000, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["title"] == "Request Entity Too Large"


def test_a_second_process_on_the_same_port_says_so(url: str, settings: Settings) -> None:
    environment = {
        **os.environ,
        "LABQ_DATABASE_URL": settings.database_url,
        "LABQ_SECRET_KEY": "x",
        "LABQ_REDIS_URL": settings.redis_url,
        "LABQ_WEB_PORT": url.rsplit(":", 1)[1],
    }
    command = [sys.executable, "-c", "from labq.web.serve import main; main()"]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode != 0
    assert "cannot listen on 127.0.0.1:" in found.stderr


def test_a_database_that_went_away_is_503_and_back_is_200(
    url: str, site: Site, ann: Person
) -> None:
    assert httpx.get(f"{url}/api/v1/jobs", headers=ann.headers).status_code == 200
    name = site.engine.url.database
    admin = site.engine.url.set(database="postgres")
    _run(admin, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    _run(admin, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    answer = httpx.get(f"{url}/api/v1/jobs", headers=ann.headers, timeout=5)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "Traceback" not in answer.text
    _run(admin, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert httpx.get(f"{url}/api/v1/jobs", headers=ann.headers).status_code == 200


def test_processes_that_share_a_port_stand_in_for_each_other(settings: Settings) -> None:
    port = free_port()
    with _serving(settings, port, share_port="true") as address:
        with _serving(settings, port, share_port="true"):
            assert httpx.get(f"{address}/api/v1/system/version").status_code == 200
        for _ in range(10):
            assert httpx.get(f"{address}/api/v1/system/version").status_code == 200


@pytest.mark.parametrize(("proxy", "is_secure"), [("127.0.0.1", True), ("", False)])
def test_only_the_proxy_that_is_named_is_believed(
    settings: Settings, site: Site, proxy: str, *, is_secure: bool
) -> None:
    site.person("eve", password=PASSWORD)
    with _serving(settings, free_port(), trusted_proxy=proxy) as address, httpx.Client() as client:
        client.headers["X-Forwarded-Proto"] = "https"
        form = client.get(f"{address}/login").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token
        fields = {"name": "eve", "password": PASSWORD, "csrf_token": token[1]}
        kept = [f"{one.name}={one.value}" for one in client.cookies.jar]
        client.headers["Cookie"] = "; ".join(kept)
        answer = client.post(f"{address}/login", data=fields)
        assert answer.status_code == 303
        given = [line for line in answer.headers.get_list("Set-Cookie") if "labq_session" in line]
        assert ["Secure" in line for line in given] == [is_secure]


def _run(url: URL, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize("part", ["web", "stream"])
@pytest.mark.parametrize("missing", ["LABQ_DATABASE_URL", "LABQ_SECRET_KEY"])
def test_a_part_without_a_setting_names_it(part: str, missing: str) -> None:
    given = {
        "LABQ_DATABASE_URL": "postgresql://labq@127.0.0.1:1/none",
        "LABQ_REDIS_URL": "redis://127.0.0.1:1",
        "LABQ_SECRET_KEY": "x",
        missing: "",
    }
    command = [sys.executable, "-c", f"from labq.{part}.serve import main; main()"]
    found = subprocess.run(
        command,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode != 0
    assert f"ConfigurationError: {missing} is not set" in found.stderr


def test_limits_go_by_the_address_that_a_trusted_proxy_names(settings: Settings) -> None:
    """A proxy that is not trusted may name whom it wants: all come from this machine."""
    limits = {"anonymous_rate": "0.001", "cache": "off"}
    stranger = {"X-Forwarded-For": "198.51.100.7"}
    with _serving(settings, free_port(), trusted_proxy="127.0.0.1", **limits) as address:
        jobs = f"{address}/api/v1/jobs"
        assert [httpx.get(jobs, headers=stranger).status_code for _ in "ab"] == [200, 429]
        assert httpx.get(jobs, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    with _serving(settings, free_port(), **limits) as address:
        jobs = f"{address}/api/v1/jobs"
        assert [httpx.get(jobs, headers=stranger).status_code for _ in "ab"] == [200, 200]


def test_it_listens_for_what_changes(settings: Settings, site: Site) -> None:
    listening = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN labq_change'")
    with _serving(settings, free_port()):
        limit = time.monotonic() + 30
        while True:
            with site.engine.connect() as connection:
                if connection.scalar(listening):
                    break
            assert time.monotonic() < limit
