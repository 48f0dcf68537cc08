"""The loop that has admins told by mail what fell out of the lab."""

from __future__ import annotations

from datetime import UTC, datetime

from labq.conductor.lead import Lead
from labq.config import Settings
from labq.services import alarms

PASS_SECONDS = 10.0


class AlarmBell:
    """Looks for alarms now and then; where this server sends no mail, they are only forgotten."""

    def __init__(self, lead: Lead, settings: Settings) -> None:
        self._lead = lead
        self._sends = settings.mail_server is not None
        self._to = settings.admin_addresses
        self._base = settings.site_url

    def run(self) -> None:
        """Work until the term ends; raises when the database fails."""
        while not self._lead.stop.is_set():
            self.ring()
            self._lead.stop.wait(PASS_SECONDS)

    def ring(self) -> None:
        """Add the mails that are due."""
        now = datetime.now(UTC)
        with self._lead.transaction("alarms", is_light=True) as session:
            alarms.forget_old(session, now)
            if self._sends:
                alarms.send_due(session, now, self._to, self._base)
