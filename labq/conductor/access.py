"""The loop that keeps what hosts need of Redis: their users, and a certificate that is good."""

from __future__ import annotations

import logging

import redis

from labq.conductor.lead import Lead
from labq.conductor.renewal import Renewal
from labq.domain.deadline import monotonic
from labq.domain.errors import LabqError
from labq.services import enrolments, redis_access

LOOK_SECONDS = 1.0
READ_SECONDS = 5.0
log = logging.getLogger(__name__)


class Access:
    """Compares Redis's users with the hosts that joined, for one term.

    Rights are set and proven anew when a term begins, so that a new version's rules hold too.
    """

    def __init__(self, lead: Lead, client: redis.Redis, renewal: Renewal) -> None:
        self._lead = lead
        self._renewal = renewal
        self._client = client
        self._proven: dict[str, str] = {}
        self._seen: dict[str, str] | None = None
        self._read_at = 0.0

    def run(self) -> None:
        """Work until the term ends; raises when the database or Redis fails."""
        while not self._lead.stop.is_set():
            self.turn()
            self._renewal.turn()
            self._lead.stop.wait(LOOK_SECONDS)

    def turn(self) -> None:
        """Mend what differs; the database is read when Redis's users changed, and now and then."""
        found = redis_access.users(self._client)
        if found == self._seen and monotonic() - self._read_at < READ_SECONDS:
            return
        with self._lead.reading() as session:
            expected = enrolments.expected(session)
        self._read_at = monotonic()
        for host, password_hash in expected.items():
            self._mend(host, password_hash, found.get(redis_access.user_of(host), ""))
        self._seen = redis_access.users(self._client)

    def _mend(self, host: str, password_hash: str | None, line: str) -> None:
        if password_hash is None:
            if line:
                redis_access.refuse(self._client, host)
                log.info("host %s was cut off: its Redis user is removed", host)
        elif not line or line != self._proven.get(host) or f"#{password_hash}" not in line:
            self._allow(host, password_hash)

    def _allow(self, host: str, password_hash: str) -> None:
        try:
            redis_access.allow(self._client, host, password_hash)
        except LabqError as error:
            log.error("host %s cannot use Redis: %s", host, error)  # noqa: TRY400 - the line says it all
            return
        users = redis_access.users(self._client)
        self._proven[host] = users.get(redis_access.user_of(host), "")
