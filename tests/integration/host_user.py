"""The Redis user of a host, for whatever runs on hosts: it must get by with those rights."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from labq.services import redis_access


def url_of_host(url: str, host: str) -> str:
    """Make the host's user in the Redis at `url`, and return the address with its password."""
    password = secrets.token_hex(16)
    client = redis_access.connect(url)
    try:
        redis_access.allow(client, host, redis_access.hash_of(password))
    finally:
        client.close()
    parts = urlsplit(url)
    address = f"{parts.hostname}:{parts.port}"
    login = f"{redis_access.user_of(host)}:{password}"
    return parts._replace(netloc=f"{login}@{address}").geturl()
