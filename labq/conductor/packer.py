"""Packs logs that grow no more, in a thread of its own beside the one that stores them."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError

from labq.blobs import Logs
from labq.conductor.lead import Lead
from labq.conductor.logstore import LogStore
from labq.services import logs
from labq.services.leader import LostLeadershipError

PASS_SECONDS = 10.0
log = logging.getLogger(__name__)


class Packer:
    """Packs for one term."""

    def __init__(self, lead: Lead, store: LogStore, files: Logs) -> None:
        self._lead = lead
        self._store = store
        self._files = files

    def run(self, ended: threading.Event) -> None:
        """Work until `ended`; what could not be packed is tried again in the next pass."""
        while not ended.wait(PASS_SECONDS):
            try:
                self.pack_quiet(ended)
            except LostLeadershipError:
                return
            except (DBAPIError, OSError) as error:
                log.warning("logs stay unpacked for now: %s", error)

    def pack_quiet(self, ended: threading.Event | None = None) -> None:
        """Do one pass, which `ended` cuts short."""
        with self._lead.reading() as session:
            quiet = logs.find_quiet(session, datetime.now(UTC))
        packed = []
        for run, length in quiet:
            if ended and ended.is_set():
                break
            if not self._files.pack(run, length) or self._store.adopt(run, length):
                packed.append((run, length))
        if packed:
            with self._lead.transaction("packed", is_light=True) as session:
                logs.note_packed(session, packed)
