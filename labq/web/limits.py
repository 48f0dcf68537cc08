"""How often somebody may try to log in: counted in Redis by name and address."""

from __future__ import annotations

import hashlib
import logging

import redis
from flask import request

from labq.domain.errors import TooManyRequestsError

_LOG = logging.getLogger(__name__)
MOST_ATTEMPTS = 10
WINDOW_SECONDS = 300


class LoginLimit:
    """Counts attempts; a good one starts again from nothing.

    Without Redis all attempts pass: password hashes are checked one at a time, so that guessing
    stays slow, and an admin can log in to see what is wrong.
    """

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url, socket_connect_timeout=0.25, socket_timeout=0.25
        )

    def count(self, name: str) -> None:
        """Count an attempt; raises TooManyRequestsError when there were too many."""
        key = _key(name)
        try:
            with self._client.pipeline() as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, WINDOW_SECONDS, nx=True)
                pipeline.ttl(key)
                attempts, _, left = pipeline.execute()
        except redis.RedisError as error:
            _LOG.warning("log-in attempts are not counted: %s", error)
            return
        if attempts > MOST_ATTEMPTS:
            message = f"too many attempts to log in: try again in {left} s"
            raise TooManyRequestsError(message, retry_after_seconds=max(left, 1))

    def forget(self, name: str) -> None:
        """Forget the attempts after a good one."""
        try:
            self._client.delete(_key(name))
        except redis.RedisError as error:
            _LOG.warning("log-in attempts are not forgotten: %s", error)


def _key(name: str) -> str:
    who = hashlib.sha256(f"{name}\n{request.remote_addr}".encode()).hexdigest()
    return f"labq.login.{who}"
