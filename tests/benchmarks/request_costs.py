"""What cache and limits cost a request: a hit, a count in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask

from labq.config import Settings
from labq.supervisor import redis as redis_server
from labq.web.cache import Asked, Cache, Epoch, Life
from labq.web.limits import RequestLimit
from tests.benchmarks.figures import Figure, median
from tests.lab import programs

ROUNDS = 2_000
NAME = "api.jobs.index"


def measure(folder: Path) -> Iterator[Figure]:
    """Ask the cache for what it has, and count the same token, again and again."""
    cache = Cache(Epoch())
    asked = Asked(NAME, (NAME, "query"), Life(1e9, 1e9, 1e9), 1.0)
    hit = _median_ms(lambda: cache.find(asked, lambda: b"x", lambda job: job()))
    yield Figure("cache_hit_ms", hit, "ms", "with the limit at most 0.3")
    server = redis_server.prepare(folder / "redis")
    with programs.running(server.argv, server.folder, server.is_ready):
        limit = RequestLimit(Settings(redis_url=server.url, token_rate=1e6))
        with Flask("costs").test_request_context():
            count = _median_ms(lambda: limit.admit_credential(NAME, "Bearer token"))
    yield Figure("request_limit_ms", count, "ms", "with a hit at most 0.3")


def _median_ms(act: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return round(1000 * median(seconds), 4)
