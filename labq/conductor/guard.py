"""Keeps what waits in Redis from one host within bounds, whatever the host writes.

All that is dropped comes again from a host that means it: events and logs from what is confirmed on,
and only the newest report counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import redis
from redis.exceptions import ResponseError

from labq.conductor.link import mend
from labq.services.refusals import Refused

MOST_WAITING = 20_000
"""Entries of one stream that nobody has read yet; hosts have at most some thousand under way."""
MOST_WAITING_BYTES = 64 * 1024 * 1024


def bound(client: redis.Redis, host: str, streams: Sequence[str]) -> list[Refused]:
    """Trim a host's streams that are too long, delete keys of a wrong type; tell what was done."""
    try:
        return [one for stream in streams if (one := _bound(client, stream))]
    except ResponseError:
        return [
            Refused(key, f"{key} is not what it should be: deleted") for key in mend(client, host)
        ]


def _bound(client: redis.Redis, stream: str) -> Refused | None:
    pipeline = client.pipeline(transaction=False)
    pipeline.xlen(stream)
    pipeline.memory_usage(stream, samples=8)
    entries, size = pipeline.execute()
    if entries <= MOST_WAITING and (size or 0) <= MOST_WAITING_BYTES:
        return None
    client.xtrim(stream, maxlen=0, approximate=False)
    reason = f"{entries} entries of about {size} bytes waited in {stream}: all were dropped"
    return Refused("", reason, entries)
