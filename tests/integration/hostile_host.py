"""A host that means no good: it writes what it likes to the keys that are its own, and no others."""

from __future__ import annotations

import os

import redis
from redis.typing import EncodableT
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.events import Event, EventBatch
from labq.models.control import Refusal, RejectedEvent
from labq.services import hosts
from labq.streams import EVENTS_FIELD, dump_event_batch, log_stream, up_stream
from tests.integration.conductor_lab import Lab

EVIL = "evil"
LAST_ID = "18446744073709551615-18446744073709551615"


class Hostile:
    """The host EVIL of a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.redis: redis.Redis = lab.client
        with Session(lab.engine) as session, session.begin():
            hosts.add(session, EVIL)

    def send(self, *events: Event, first: int = 1) -> None:
        batch = EventBatch(first=first, events=events)
        self.write({EVENTS_FIELD: dump_event_batch(batch)})

    def write(self, fields: dict[str, bytes], identifier: str = "*") -> None:
        """Add an entry to the stream of events."""
        self.redis.xadd(up_stream(EVIL), _encodable(fields), id=identifier)

    def flood(self, entries: int, size: int = 200) -> None:
        """Add many entries that say nothing."""
        pipeline = self.redis.pipeline(transaction=False)
        for _ in range(entries):
            pipeline.xadd(up_stream(EVIL), {EVENTS_FIELD: os.urandom(size)})
        pipeline.execute()

    def log(self, fields: dict[str, bytes]) -> None:
        self.redis.xadd(log_stream(EVIL), _encodable(fields))

    def refusal(self) -> Refusal | None:
        """Return how much was refused."""
        with Session(self._lab.engine) as session:
            return session.get(Refusal, EVIL)

    def reasons(self) -> list[str]:
        """Return why things were set aside, the oldest first."""
        query = select(RejectedEvent.reason).where(RejectedEvent.host == EVIL)
        with Session(self._lab.engine) as session:
            return list(session.scalars(query.order_by(RejectedEvent.id)))


def _encodable(fields: dict[str, bytes]) -> dict[bytes | str | int | float, EncodableT]:
    return dict(fields)
