"""Makes the Redis user of a lab host, and proves that it has its rights and no others."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.services.redis_rights import Command, forbidden, needed, rules

PREFIX = "host."
DRY_RUN_SINCE = (7, 0)
OLDEST = (6, 2)
MOST_TOLD = 5
log = logging.getLogger(__name__)


def connect(url: str, seconds: float = 5.0) -> redis.Redis:
    """Return an admin's client that waits for no answer longer than `seconds`."""
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


def user_of(host: str) -> str:
    """Return the name of a host's user."""
    return f"{PREFIX}{host}"


def hash_of(password: str) -> str:
    """Return what Redis needs to know of a password."""
    return hashlib.sha256(password.encode()).hexdigest()


def allow(client: redis.Redis, host: str, password_hash: str) -> None:
    """Make the host's user, or set its rights anew, and prove them; a user that fails is removed.

    `client` is an admin's. Raises ConfigurationError when this Redis cannot have users of hosts,
    InfrastructureError when the user may do what it must not, or may not do what it must.
    """
    _check(client)
    _set(client, user_of(host), rules(host, password_hash))
    try:
        found = wrong_rights(client, host)
    except redis.RedisError:
        refuse(client, host)
        raise
    if found:
        refuse(client, host)
        more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
        raise InfrastructureError(
            f"the rights of Redis user {user_of(host)} are wrong, it was removed: "
            + "; ".join(found[:MOST_TOLD])
            + more
        )
    _save(client)


def rehearse(client: redis.Redis, host: str) -> None:
    """Make a user of a name of its own as `allow` would, and remove it; raises like `allow`."""
    trial = f"{host}.trial"
    allow(client, trial, hash_of(secrets.token_hex(24)))
    refuse(client, trial)


def refuse(client: redis.Redis, host: str) -> None:
    """Remove the host's user, which ends its connections."""
    client.acl_deluser(user_of(host))
    _save(client)


def users(client: redis.Redis) -> dict[str, str]:
    """Return the users of hosts, each with Redis's own line about it."""
    lines = [_text(line) for line in client.acl_list()]
    named = {line.split(" ")[1]: line for line in lines}
    return {name: line for name, line in named.items() if name.startswith(PREFIX)}


def wrong_rights(client: redis.Redis, host: str) -> list[str]:
    """Try what the host's user needs and what it must not do; return what came out wrong.

    Nothing is done by it: Redis 7 is asked, in an older one a short-lived user with the same
    rights queues the commands and drops them.
    """
    if _version(client) >= DRY_RUN_SINCE:
        return _judge(host, lambda command: _would_run(client, user_of(host), command))
    with _probe(client, host) as probe:
        return _judge(host, lambda command: is_queued(probe, command))


def is_queued(client: redis.Redis, command: Command) -> bool:
    """Tell whether Redis lets this client queue a command; the queue is dropped."""
    connection = client.connection_pool.get_connection()
    try:
        _exchange(connection, ("MULTI",))
        _exchange(connection, command)
    except redis.exceptions.NoPermissionError:
        return False
    finally:
        _exchange(connection, ("DISCARD",))
        client.connection_pool.release(connection)
    return True


def _exchange(connection: AbstractConnection, command: Command) -> None:
    connection.send_command(*command)  # type: ignore[no-untyped-call]  # redis-py annotates not all
    connection.read_response()


def _judge(host: str, is_allowed: Callable[[Command], bool]) -> list[str]:
    wrong = [f"{' '.join(one)} is refused" for one in needed(host) if not is_allowed(one)]
    return wrong + [f"{' '.join(one)} is allowed" for one in forbidden(host) if is_allowed(one)]


def _would_run(client: redis.Redis, user: str, command: Command) -> bool:
    try:
        return _text(client.acl_dryrun(user, *command)) == "OK"
    except redis.exceptions.ResponseError as error:
        if "not found" in str(error).lower() or "unknown command" in str(error).lower():
            return False
        raise


@contextmanager
def _probe(client: redis.Redis, host: str) -> Iterator[redis.Redis]:
    """Give a client of a user with the rights of the host's."""
    name, password = f"{user_of(host)}.probe", secrets.token_hex(24)
    _set(client, name, rules(host, hash_of(password)))
    kept = client.connection_pool.connection_kwargs
    arguments: dict[str, Any] = {**kept, "username": name, "password": password, "protocol": 2}
    pool = redis.ConnectionPool(client.connection_pool.connection_class, **arguments)
    try:
        yield redis.Redis(connection_pool=pool)
    finally:
        pool.disconnect()
        client.acl_deluser(name)


def _set(client: redis.Redis, user: str, words: list[str]) -> None:
    """Set all rights at once: Redis leaves the old ones when it does not know one of the words."""
    try:
        client.execute_command("ACL", "SETUSER", user, *words)  # type: ignore[no-untyped-call]  # as above
    except redis.exceptions.NoPermissionError as error:
        raise ConfigurationError(
            f"Redis lets labq make no users for hosts ({error}): the user of LABQ_REDIS_URL needs +acl"
        ) from error
    except redis.exceptions.ResponseError as error:
        client.acl_deluser(user)
        raise ConfigurationError(f"Redis does not make the user {user}: {error}") from error


def _check(client: redis.Redis) -> None:
    version = _version(client)
    if version < OLDEST:
        raise ConfigurationError(
            f"Redis {'.'.join(map(str, version))} has no users with rights as hosts need them: "
            f"use Redis {'.'.join(map(str, OLDEST))} or newer"
        )
    database = client.connection_pool.connection_kwargs.get("db") or 0
    if database:
        raise ConfigurationError(
            f"LABQ_REDIS_URL names database {database}: hosts use database 0 alone, so labq needs "
            "a Redis of its own"
        )


def _version(client: redis.Redis) -> tuple[int, ...]:
    found = str(client.info("server")["redis_version"])
    return tuple(int(part) for part in found.split(".")[:2])


def _save(client: redis.Redis) -> None:
    """Have Redis keep its users, where it has a file for them; the leader makes lost ones again."""
    try:
        client.acl_save()
    except redis.exceptions.ResponseError as error:
        log.debug("Redis keeps no users: %s", error)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
