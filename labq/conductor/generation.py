"""The generation of Redis's data: when its key is gone, Redis was emptied and hosts are told so."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import redis

from labq.conductor.lead import Lead
from labq.conductor.link import send_orders
from labq.domain.orders import GenerationOrder
from labq.services import leader
from labq.streams import GENERATION_KEY


class Generation:
    """What reports must carry to count; used by one loop of the conductor."""

    def __init__(self, lead: Lead, client: redis.Redis) -> None:
        self._lead = lead
        self._client = client
        self._known: str | None = None

    def is_unchanged(self) -> bool:
        """Tell whether Redis still has the data it had; False also when nothing is known yet."""
        found = self._client.get(GENERATION_KEY)
        if self._known is None:
            with self._lead.reading() as session:
                self._known = leader.read_generation(session)
        return bool(self._known) and found == self._known.encode()

    def is_current(self, generation: str) -> bool:
        """Tell whether a report carries the present generation."""
        return generation == self._known

    def renew(self, hosts: Sequence[str]) -> None:
        """Begin a new generation: stored first, then set in Redis and ordered to all hosts.

        All streams are read from their beginning again; what was applied is known by its sequence.
        """
        fresh = uuid.uuid4().hex
        with self._lead.transaction("generation") as session:
            leader.write_generation(session, fresh)
        self._known = fresh
        self._client.set(GENERATION_KEY, fresh)
        self.tell(hosts)

    def tell(self, hosts: Sequence[str]) -> None:
        """Order the present generation to hosts whose reports do not carry it."""
        order = GenerationOrder(generation=self._known or "")
        send_orders(self._client, [(host, order) for host in hosts])
