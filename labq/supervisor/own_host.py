"""The host of `labq up`'s own machine: it joins like any other, so that it has no more rights."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import redis
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.domain.errors import InfrastructureError
from labq.services import enrolments, redis_access
from labq.services.enrolments import Joined
from labq.supervisor import joined
from labq.supervisor.address import local_url

MACHINE = "labq up"


def join(session: Session, settings: Settings) -> None:
    """Give the host new secrets and write its file; raises InfrastructureError without Redis."""
    try:
        with redis_access.connect(settings.redis_url) as client:
            now = datetime.now(UTC)
            made = enrolments.adopt(session, client, settings.host, machine=MACHINE, now=now)
    except redis.RedisError as error:
        raise InfrastructureError(f"Redis gives the host no user: {error}") from error
    facts = {
        "host": made.host,
        "redis_url": _as_host(settings.redis_url, made),
        "server_url": local_url(settings),
        "credential": made.credential,
    }
    joined.keep(settings.bench_folder, facts, "")


def _as_host(url: str, made: Joined) -> str:
    """Return the server's own URL of Redis with the user of the host in place of the admin's."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{made.user}:{made.password}@{place}").geturl()
