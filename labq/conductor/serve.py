"""The conductor's process: waits to lead, leads, and waits again when it lost the lead."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import redis
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from labq import log as logging_setup
from labq import statsd
from labq.blobs import Logs
from labq.conductor.access import Access
from labq.conductor.alarm_bell import AlarmBell
from labq.conductor.lead import Lead
from labq.conductor.link import connect
from labq.conductor.logstore import LogStore
from labq.conductor.packer import Packer
from labq.conductor.renewal import Renewal
from labq.conductor.scheduler import Scheduler
from labq.conductor.uplink import Uplink
from labq.config import Settings, load, require
from labq.metrics.ledger.process import observe
from labq.services import leader
from labq.services.database import Role, make_engine, session_factory
from labq.services.leader import LostLeadershipError, Term
from labq.services.silence import LOOP, Watch

RENEW_SECONDS = 1.0
# Loops hand the interpreter to each other this soon, so that a batch of log never delays an event.
SWITCH_SECONDS = 0.001
# Batches of events make thousands of values at once, none of which refer to each other: looking for
# cycles among them each 700 took a quarter of the time.
COLLECT_AFTER = (100_000, 20, 20)
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Conductor:
    """One candidate for the lead."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._sessions = session_factory(engine)
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()

    def stop(self) -> None:
        """End soon: the term, if there is one, is given up."""
        self._stop.set()

    def run(self) -> None:
        """Lead whenever nobody else does, until stopped."""
        log.info("waits to lead")
        while not self._stop.is_set():
            term = self._attempt(lambda session: leader.take(session, self._holder))
            if term is None:
                self._stop.wait(RENEW_SECONDS)
            else:
                self._lead(term)

    def _lead(self, term: Term) -> None:
        log.info("leads, term %d", term.number)
        lead = Lead(self._engine, term)
        threads = [
            threading.Thread(target=self._work, args=(lead, loop), name=loop.__name__)
            for loop in (_schedule, _read_up, _store_logs, _keep_access, _tell_admins)
        ]
        for thread in threads:
            thread.start()
        self._renew(lead)
        lead.stop.set()
        for thread in threads:
            thread.join()
        self._attempt(lambda session: leader.give_up(session, term))
        log.info("leads no more, term %d", term.number)

    def _work(self, lead: Lead, loop: Callable[[Lead, redis.Redis, Settings], None]) -> None:
        with connect(self._settings.redis_url) as client:
            loop(lead, client, self._settings)

    def _renew(self, lead: Lead) -> None:
        """Keep the lead until it is lost or somebody stops it; a database that is away is awaited."""
        while not (self._stop.wait(RENEW_SECONDS) or lead.stop.is_set()):
            self._attempt(lambda session: leader.renew(session, lead.term), lead)

    def _attempt(self, act: Callable[[Session], Result], lead: Lead | None = None) -> Result | None:
        """Do something to the leader's row; None when the database does not answer.

        When another one leads, the term of `lead` ends.
        """
        try:
            with self._sessions.begin() as session:
                return act(session)
        except DBAPIError as error:
            log.warning("the database does not answer: %s", str(error.orig).strip())
        except LostLeadershipError as lost:
            log.warning("%s", lost)
            if lead:
                lead.stop.set()
        return None


def main() -> None:
    """Run a conductor with the settings of the environment until SIGTERM or SIGINT."""
    settings = load()
    require(settings, "database_url", "redis_url")
    logging_setup.setup("conductor", settings)
    statsd.setup(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    observe("conductor", settings)
    Watch(settings.conductor_database, LOOP, Role.CONDUCTOR).install()
    conductor = Conductor(settings, make_engine(settings.conductor_database, Role.CONDUCTOR))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        conductor.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    conductor.run()


def _schedule(lead: Lead, client: redis.Redis, settings: Settings) -> None:
    folders = settings.device_type_folders
    lost_after = timedelta(seconds=settings.host_lost_after)
    scales = settings.site_timeout_scales

    keys = settings.sealing_keys

    def schedule() -> None:
        Scheduler(
            lead,
            client,
            folders,
            lost_after,
            timeout_scales=scales,
            sealing_keys=keys,
        ).run()

    lead.repeat("scheduler", schedule)


def _tell_admins(lead: Lead, _client: redis.Redis, settings: Settings) -> None:
    lead.repeat("alarms", lambda: AlarmBell(lead, settings).run())


def _read_up(lead: Lead, client: redis.Redis, _settings: Settings) -> None:
    lead.repeat("uplink", lambda: Uplink(lead, client).run())


def _keep_access(lead: Lead, client: redis.Redis, settings: Settings) -> None:
    renewal = Renewal(client, settings.state / "tls")
    lead.repeat("access", lambda: Access(lead, client, renewal).run())


def _store_logs(lead: Lead, client: redis.Redis, settings: Settings) -> None:
    lead.repeat("log store", lambda: _store_and_pack(lead, client, settings))


def _store_and_pack(lead: Lead, client: redis.Redis, settings: Settings) -> None:
    files = Logs(settings.blobs)
    store = LogStore(lead, client, files, most_bytes=settings.log_bytes)
    ended = threading.Event()
    packer = threading.Thread(target=Packer(lead, store, files).run, args=(ended,), name="pack")
    packer.start()
    try:
        store.run()
    finally:
        ended.set()
        packer.join()
