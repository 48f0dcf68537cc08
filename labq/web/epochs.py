"""The ear of a web process: every change that is told in the database raises its epochs."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from labq.services.transitions import CHANGE_CHANNEL, JOB_CHANNEL, WORK_CHANNEL
from labq.web.cache import Epoch

RIGHTS_CHANNEL = "labq_rights"
"""Triggers of the tables of users, their tokens and their groups tell of changes, whoever makes them."""
CHANNELS = (RIGHTS_CHANNEL, JOB_CHANNEL, WORK_CHANNEL, CHANGE_CHANNEL)
PROVE_SECONDS = 10.0
PAUSE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Ear:
    """Listens in a thread of its own; while it cannot, the epochs are not live.

    `epoch` rises with each change, `rights` with those of what users may do.
    """

    def __init__(self, engine: Engine, epoch: Epoch, rights: Epoch) -> None:
        self._engine = engine
        self._epoch = epoch
        self._rights = rights
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="epoch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End within PAUSE_SECONDS or so."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._listening() as link:
                    self._follow(link)
            except (psycopg2.Error, SQLAlchemyError, OSError) as error:
                _LOG.warning("changes are not heard: %s", str(error).strip())
            finally:
                self._epoch.is_live = self._rights.is_live = False
            self._stop.wait(PAUSE_SECONDS)

    @contextmanager
    def _listening(self) -> Iterator[connection]:
        pooled = self._engine.raw_connection()
        link = cast("connection", pooled.driver_connection)
        pooled.detach()
        try:
            link.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with link.cursor() as cursor:
                for channel in CHANNELS:
                    cursor.execute(f"LISTEN {channel}")
            yield link
        finally:
            link.close()

    def _follow(self, link: connection) -> None:
        """Raise the epoch with each notification until the connection is found to be dead."""
        # What changed before there was somebody to hear it is not known.
        for epoch in (self._epoch, self._rights):
            epoch.rise()
            epoch.is_live = True
        proven = time.monotonic()
        while not self._stop.is_set():
            if select.select([link], [], [], PAUSE_SECONDS)[0]:
                link.poll()
            if link.notifies:
                self._take(link)
            if time.monotonic() - proven > PROVE_SECONDS:
                with link.cursor() as cursor:
                    cursor.execute("SELECT 1")
                proven = time.monotonic()

    def _take(self, link: connection) -> None:
        """Raise the epochs of which was told."""
        if any(told.channel == RIGHTS_CHANNEL for told in link.notifies):
            self._rights.rise()
        link.notifies.clear()
        self._epoch.rise()
