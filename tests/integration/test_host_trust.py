"""Certificates of a real Redis that are over, of others or for other names; clocks that disagree."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from cryptography import x509

from labq.bench.claim import Claim
from labq.conductor.renewal import Renewal
from labq.config import Settings
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.services import certificates
from labq.supervisor import reach
from labq.supervisor import redis as redis_server
from labq.supervisor.redis import Redis, Tls
from tests.integration.cli_runner import Cli
from tests.integration.odd_server import Page, odd_server
from tests.lab import files, programs
from tests.lab.server import free_port

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=500)
ENDS_SOON = NOW - timedelta(days=380)


@contextmanager
def _tls_redis(folder: Path, made_at: datetime, *names: str) -> Iterator[Redis]:
    """Run a Redis whose certificate was made at a time, for these names."""
    issued = certificates.ensure(folder / "tls", names or ("127.0.0.1",), made_at)
    server = redis_server.prepare(folder / "redis", Tls("127.0.0.1", free_port(), issued))
    with programs.running(server.argv, server.folder, lambda: _listens(server.port)):
        yield server


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _settings(folder: Path, redis_url: str, server_url: str = "") -> Settings:
    return Settings(
        host="rack", host_folder=folder, redis_url=redis_url, server_url=server_url, state=folder
    )


def _claim(settings: Settings) -> list[str]:
    said: list[str] = []
    reach.claim(settings, said.append).release()
    return said


def _end_of_certificate(port: int) -> datetime:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as link,
        context.wrap_socket(link) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


def test_a_good_certificate_lets_a_host_in(tmp_path: Path) -> None:
    with _tls_redis(tmp_path, NOW) as server:
        assert server.is_ready()
        assert _claim(_settings(tmp_path, server.url)) == []


def test_a_certificate_that_is_over_is_told_with_both_clocks(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    with (
        _tls_redis(tmp_path, LONG_AGO) as server,
        files.serve(tmp_path / "www") as web,
        pytest.raises(InfrastructureError) as caught,
    ):
        _claim(_settings(tmp_path, server.url, web.url))
    told = str(caught.value)
    assert "certificate has expired" in told
    assert f"clock of this machine says {NOW:%Y-%m-%d}" in told
    assert f"the server's {NOW:%Y-%m-%d}" in told
    assert "labq host certificate" in told


def test_a_certificate_that_is_not_valid_yet_is_told(tmp_path: Path) -> None:
    with (
        _tls_redis(tmp_path, NOW + timedelta(days=2)) as server,
        pytest.raises(InfrastructureError, match=r"not yet valid.*clock of this machine"),
    ):
        _claim(_settings(tmp_path, server.url))


def test_a_certificate_for_another_address_is_told(tmp_path: Path) -> None:
    with (
        _tls_redis(tmp_path, NOW, "lab.example.org") as server,
        pytest.raises(InfrastructureError, match=r"cannot be trusted.*mismatch"),
    ):
        _claim(_settings(tmp_path, server.url))


def test_a_certificate_of_another_authority_is_told(tmp_path: Path) -> None:
    other = certificates.ensure(tmp_path / "other", ("127.0.0.1",), NOW)
    with _tls_redis(tmp_path, NOW) as server:
        url = server.url.partition("?")[0] + f"?ssl_ca_certs={other.authority}"
        with pytest.raises(InfrastructureError, match="cannot be trusted"):
            _claim(_settings(tmp_path, url))


def test_a_host_starts_without_a_redis_that_does_not_answer(tmp_path: Path) -> None:
    (said,) = _claim(_settings(tmp_path, f"redis://127.0.0.1:{free_port()}/0"))
    assert "starts without it" in said


def test_a_host_that_another_machine_runs_is_not_claimed(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = Claim(redis_url, "rack", tmp_path / "one")
    first.take(0)
    second = Claim(redis_url, "rack", tmp_path / "two")
    with pytest.raises(InfrastructureError, match=f"{socket.gethostname()} .process {os.getpid()}"):
        second.take(0)
    assert first.renew() == ""
    first.release()
    second.take(0)
    assert "process" in first.renew()
    first.release()
    assert second.renew() == ""


def test_a_certificate_that_ends_soon_is_renewed_while_redis_runs(tmp_path: Path) -> None:
    with _tls_redis(tmp_path, ENDS_SOON) as server, redis.Redis.from_url(server.url) as client:
        before = _end_of_certificate(server.port)
        authority = (tmp_path / "tls" / "ca.pem").read_text()
        Renewal(client, tmp_path / "tls").turn()
        assert _end_of_certificate(server.port) > before + timedelta(days=300)
        assert (tmp_path / "tls" / "ca.pem").read_text() == authority
        assert server.is_ready()


def test_a_certificate_is_made_anew_only_for_other_names_or_near_its_end(tmp_path: Path) -> None:
    names = ("lab.example.org", "192.0.2.7", "2001:db8::7")
    first = certificates.ensure(tmp_path, names, NOW).certificate.read_text()
    assert certificates.ensure(tmp_path, names, NOW).certificate.read_text() == first
    assert certificates.renew(tmp_path, NOW) is None
    assert certificates.ensure(tmp_path, names[:2], NOW).certificate.read_text() != first
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="no address"):
        certificates.ensure(tmp_path, ("not an address",), NOW)


def test_a_redis_without_tls_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = certificates.ensure(tmp_path / "tls", ("127.0.0.1",), NOW)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert redis_server.prepare(tmp_path / "plain").program.exists()
    with pytest.raises(ConfigurationError, match="redis-server that can do TLS not found"):
        redis_server.prepare(tmp_path / "redis", Tls("127.0.0.1", free_port(), issued))


@pytest.fixture
def machine(tmp_path: Path) -> Cli:
    """Return the command line of a machine that is no host yet."""
    return Cli("", tmp_path)


@pytest.mark.parametrize("hours", [-1.1, 1.1])
def test_a_clock_that_is_an_hour_off_is_told_before_the_code_is_shown(
    machine: Cli, hours: float
) -> None:
    there = datetime.now(UTC) + timedelta(hours=hours)
    body = {"certificate": "", "sha256": "", "clock": there.isoformat()}
    with odd_server() as server:
        server.pages["/api/v1/enrolment"] = Page(json.dumps(body).encode())
        answer = machine("host", "join", server.url, "--code", "rack:secret")
    assert answer.returncode == 1
    assert f"{there:%Y-%m-%d %H:%M:%S} UTC" in answer.stderr
    assert "1 h" in answer.stderr
    assert server.paths() == ["/api/v1/enrolment"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("http://lab.example.org", "--code", "rack:x"), 2, "plain HTTP"),
        (("ftp://lab.example.org", "--code", "rack:x"), 2, "no address of a server"),
        (("https://lab.example.org", "--code", "rack"), 2, "not one of `labq host enroll`"),
        (("https://lab.example.org", "--code", "../rack:x"), 1, "cannot name a host"),
        (("https://lab.example.org", "--code", "rack:x", "--ca", "sha256:1"), 2, "64 hexadecimal"),
        (("http://127.0.0.1:1", "--code", "rack:x"), 3, "can't reach"),
    ],
)
def test_a_bad_command_to_join_is_told(
    machine: Cli, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = machine("host", "join", *words)
    assert answer.returncode == code
    assert told in answer.stderr


def test_a_machine_that_is_no_host_says_how_to_become_one(machine: Cli) -> None:
    answer = machine("host", "run")
    assert answer.returncode == 2
    assert "labq host enroll" in answer.stderr
