"""The generation of Redis's data: hosts are told when Redis may have lost some of it.

A Redis that was emptied has no key. One that was started again may have lost its last second, or stand
where it stood long ago, with a key that looks right: the generation names the server's own run id.
"""

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
        self._server = ""

    def is_unchanged(self) -> bool:
        """Tell whether Redis still has the data it had; False also when nothing is known yet."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(GENERATION_KEY)
        pipeline.info("server")
        found, server = pipeline.execute()
        self._server = str(server.get("run_id", ""))
        if self._known is None:
            with self._lead.reading() as session:
                self._known = leader.read_generation(session)
        is_same_server = self._known.partition(".")[0] == self._server
        return bool(self._known) and is_same_server and found == self._known.encode()

    def is_current(self, generation: str) -> bool:
        """Tell whether a report carries the present generation."""
        return generation == self._known

    def renew(self, hosts: Sequence[str]) -> None:
        """Begin a new generation: stored first, then set in Redis and ordered to all hosts.

        All streams are read from their beginning again; what was applied is known by its sequence.
        `is_unchanged` has been asked before.
        """
        fresh = f"{self._server}.{uuid.uuid4().hex}"
        with self._lead.transaction("generation") as session:
            leader.write_generation(session, fresh)
        self._known = fresh
        self._client.set(GENERATION_KEY, fresh)
        self.tell(hosts)

    def tell(self, hosts: Sequence[str]) -> None:
        """Order the present generation to hosts whose reports do not carry it."""
        order = GenerationOrder(generation=self._known or "")
        send_orders(self._client, [(host, order) for host in hosts])
