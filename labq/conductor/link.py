"""The conductor's way to Redis: the client, orders down to hosts, and how its failures look."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import cast

import redis
from kombu.exceptions import OperationalError as PublishError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry
from redis.typing import EncodableT, FieldT, KeyT, StreamIdT

from labq.domain.orders import Order
from labq.domain.plan import Queue
from labq.queue import queue_name
from labq.streams import ORDER_FIELD, dump_order, log_stream, orders_stream, up_stream

MOST_ORDERS = 2_000
"""How many orders Redis keeps for a host that does not read; what it misses is sent again."""
REDIS_ERRORS = (RedisError, PublishError, OSError)
SOCKET_TIMEOUT_SECONDS = 5.0
UNSENT = "0-0"
"""The id of an order that Redis did not take: the host's next report shows that it is missing."""
_IDENTIFIER = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_LARGEST = 2**64 - 1
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
    """Send (host, order) pairs in one exchange and return the ids of their stream entries.

    A host that has spoilt its stream of orders gets a new one; UNSENT where even that failed.
    """
    if not orders:
        return []
    pipeline = client.pipeline(transaction=False)
    for host, order in orders:
        _add(pipeline, host, order)
    answers = pipeline.execute(raise_on_error=False)
    return [
        _identifier(client, host, order, answer)
        for (host, order), answer in zip(orders, answers, strict=True)
    ]


def _add(client: redis.Redis, host: str, order: Order) -> object:
    entry: dict[FieldT, EncodableT] = {ORDER_FIELD: dump_order(order)}
    return client.xadd(orders_stream(host), entry, maxlen=MOST_ORDERS, approximate=True)


def _identifier(client: redis.Redis, host: str, order: Order, answer: object) -> str:
    """Return the id in Redis's answer; raises what has nothing to do with the stream."""
    if isinstance(answer, bytes):
        return answer.decode()
    if not isinstance(answer, ResponseError):
        raise answer if isinstance(answer, Exception) else RedisError(f"XADD answered {answer!r}")
    try:
        client.delete(orders_stream(host))
        again = _add(client, host, order)
    except ResponseError:
        return UNSENT
    return again.decode() if isinstance(again, bytes) else UNSENT


def mend(client: redis.Redis, host: str) -> list[str]:
    """Delete keys of a host that are not of the type they should be, and return their names."""
    wanted = dict.fromkeys((up_stream(host), log_stream(host), orders_stream(host)), b"stream")
    wanted |= {queue_name(host, queue): b"list" for queue in Queue}
    pipeline = client.pipeline(transaction=False)
    for key in wanted:
        pipeline.type(key)
    types = pipeline.execute()
    wrong = [
        key
        for (key, kind), found in zip(wanted.items(), types, strict=True)
        if found not in (kind, b"none")
    ]
    if wrong:
        client.delete(*wrong)
    return wrong


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
    found = _IDENTIFIER.fullmatch(identifier)
    if not found:
        return (-1, 0)
    numbers = int(found[1]), int(found[2] or 0)
    return numbers if max(numbers) <= _LARGEST else (-1, 0)
