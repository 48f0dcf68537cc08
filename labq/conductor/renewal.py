"""Renews the certificate of labq's own Redis before it ends."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import redis

from labq.domain.deadline import monotonic
from labq.domain.errors import ConfigurationError
from labq.services import certificates

EVERY_SECONDS = 3600.0
log = logging.getLogger(__name__)


class Renewal:
    """Looks at the certificate in a folder now and then; there may be none."""

    def __init__(self, client: redis.Redis, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._looked_at = -EVERY_SECONDS

    def turn(self) -> None:
        """Renew what ends soon and have Redis read it, if it is time to look."""
        if monotonic() - self._looked_at < EVERY_SECONDS:
            return
        self._looked_at = monotonic()
        try:
            issued = certificates.renew(self._folder, datetime.now(UTC))
        except (ConfigurationError, OSError) as error:
            log.error("the certificate of Redis is not renewed: %s", error)  # noqa: TRY400 - the line says it all
            return
        if issued is not None:
            self._show(issued.certificate)
            log.info("the certificate of Redis is good until %s", issued.expires_at)

    def _show(self, certificate: Path) -> None:
        """Have Redis read the files again, where it is the one that uses them."""
        name = "tls-cert-file"
        if self._client.config_get(name).get(name) == str(certificate):
            self._client.config_set(name, str(certificate))
        else:
            log.warning("%s is new: have the Redis that uses it read it again", certificate)
