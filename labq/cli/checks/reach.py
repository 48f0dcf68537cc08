"""What this machine reaches: the server's clock, and Redis with the rights of a host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import redis

from labq import config
from labq.cli.checks.finding import Finding, State
from labq.cli.failures import Failed
from labq.cli.server import find_server
from labq.config import Settings
from labq.domain.errors import LabqError
from labq.streams import up_stream
from labq.supervisor import joined
from labq.supervisor.reach import server_clock

MOST_SECONDS_APART = 5.0
CONNECT_SECONDS = 3.0


def clock() -> Iterator[Finding]:
    """Compare this machine's clock with the server's: certificates and log times depend on it."""
    try:
        there = server_clock(find_server().url)
    except (Failed, LabqError):
        return
    if there is None:
        yield Finding("clock", State.WEAK, "the server does not tell its time")
        return
    apart = abs((datetime.now(UTC) - there).total_seconds())
    found = f"{apart:.0f} s from the server's"
    if apart > MOST_SECONDS_APART:
        advice = "let NTP set both clocks: `timedatectl set-ntp true`"
        yield Finding("clock", State.WEAK, found, advice)
    else:
        yield Finding("clock", State.GOOD, found)


def messages() -> Iterator[Finding]:
    """Connect to Redis as this machine's host does, where it joined as one, and try its rights."""
    try:
        settings = _settings()
    except LabqError as error:
        yield Finding("host", State.WEAK, str(error))
        return
    if not settings.redis_url:
        return
    client = redis.Redis.from_url(
        settings.redis_url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
    )
    try:
        yield from _try(client, settings.host)
    except redis.RedisError as error:
        advice = "see that the server runs, its port is open, and the host was not revoked"
        yield Finding("Redis of the server", State.MISSING, f"does not answer: {error}", advice)
    finally:
        client.close()


def _try(client: redis.Redis, host: str) -> Iterator[Finding]:
    client.ping()
    client.xlen(up_stream(host))
    try:
        client.keys("*")
    except redis.exceptions.NoPermissionError:
        yield Finding(
            "Redis of the server", State.GOOD, f"answers host {host}, with its own rights"
        )
    else:
        advice = "join with `labq host join`: each host has a user of its own"
        found = "answers, and lets this host read and change what is not its own"
        yield Finding("Redis of the server", State.WEAK, found, advice)


def _settings() -> Settings:
    """Return the settings of the host that this machine joined as, or those of the environment."""
    settings = config.load()
    folder = joined.host_folder(settings, joined.choose(None))
    path = folder / joined.HOST_FILE
    if not path.exists():
        return settings
    kept = {name: value for name, value in os.environ.items() if name not in joined.OF_THE_FILE}
    return config.load({**kept, "LABQ_HOST_FILE": str(path), "LABQ_HOST_FOLDER": str(folder)})
