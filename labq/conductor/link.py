"""The conductor's way to Redis: the client, orders down to hosts, and how its failures look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import cast

import redis
from kombu.exceptions import OperationalError as PublishError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.typing import EncodableT, FieldT, KeyT, StreamIdT

from labq.domain.orders import Order
from labq.streams import ORDER_FIELD, dump_order, orders_stream

MOST_ORDERS = 2_000
"""How many orders Redis keeps for a host that does not read; what it misses is sent again."""
REDIS_ERRORS = (RedisError, PublishError, OSError)
SOCKET_TIMEOUT_SECONDS = 5.0
StreamEntries = list[tuple[bytes, dict[bytes, bytes]]]


def connect(url: str) -> redis.Redis:
    """Return a client that fails soon: every loop of the conductor backs off and goes on itself."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
        protocol=2,
    )


def send_orders(client: redis.Redis, orders: Sequence[tuple[str, Order]]) -> list[str]:
    """Send (host, order) pairs in one exchange and return the ids of their stream entries."""
    if not orders:
        return []
    pipeline = client.pipeline(transaction=False)
    for host, order in orders:
        entry: dict[FieldT, EncodableT] = {ORDER_FIELD: dump_order(order)}
        pipeline.xadd(orders_stream(host), entry, maxlen=MOST_ORDERS, approximate=True)
    return [identifier.decode() for identifier in pipeline.execute()]


def read_streams(
    client: redis.Redis, positions: Mapping[str, str], *, count: int, wait_seconds: float
) -> list[tuple[str, StreamEntries]]:
    """Return at most `count` entries of each stream past its position, waiting for the first."""
    found = client.xread(
        cast("dict[KeyT, StreamIdT]", dict(positions)),
        count=count,
        block=ceil(wait_seconds * 1000) if wait_seconds > 0 else None,
    )
    streams = cast("list[tuple[bytes, StreamEntries]]", found)
    return [(stream.decode(), entries) for stream, entries in streams]


def is_at_or_past(identifier: str, other: str) -> bool:
    """Tell whether a stream id is not before another; what is no id is before all."""
    return _numbers(identifier) >= _numbers(other)


def is_identifier(text: str) -> bool:
    """Tell whether a text of a stranger is a stream id."""
    return _numbers(text) > (-1, 0)


def _numbers(identifier: str) -> tuple[int, int]:
    milliseconds, _, counter = identifier.partition("-")
    try:
        return int(milliseconds), int(counter or 0)
    except ValueError:
        return (-1, 0)
