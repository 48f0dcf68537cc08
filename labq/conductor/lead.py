"""One term of leadership: every transaction in it holds the leader's row at this term."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from redis.exceptions import ResponseError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from labq.conductor.link import REDIS_ERRORS
from labq.domain.deadline import monotonic
from labq.metrics import flow
from labq.metrics.ledger.listening import site
from labq.services import leader
from labq.services.database import session_factory
from labq.services.leader import LostLeadershipError, Term

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
OUTAGE_PAUSE_SECONDS = 1.0
TOO_LARGE = "54000"
"""PostgreSQL's `program_limit_exceeded`, which its driver takes for an operational error."""
log = logging.getLogger(__name__)


class Lead:
    """What the loops of a leading conductor share: its term, the database and when to stop."""

    def __init__(self, engine: Engine, term: Term) -> None:
        self.engine = engine
        self.term = term
        self.stop = threading.Event()
        # Changes are written once, at the commit: events of a batch touch the same rows often.
        self._sessions: sessionmaker[Session] = session_factory(engine, autoflush=False)
        self._readers = session_factory(engine.execution_options(isolation_level="AUTOCOMMIT"))
        self._heard_since: float | None = None
        flow.watch(self._sessions)

    def note_hearing(self, *, is_hearing: bool) -> None:
        """Note whether what hosts send is read now."""
        if not is_hearing:
            self._heard_since = None
        elif self._heard_since is None:
            self._heard_since = monotonic()

    @property
    def listening_seconds(self) -> float:
        """Return since when hosts have been heard without a break, 0 while they are not."""
        since = self._heard_since
        return 0.0 if since is None else monotonic() - since

    @contextmanager
    def transaction(self, name: str, *, is_light: bool = False) -> Iterator[Session]:
        """Run a transaction of this term; raises LostLeadershipError when the term is over.

        A light one waits for no disk at its commit: use it where its loss in a crash does no harm.
        """
        with site(f"conductor.{name}"), self._sessions.begin() as session:
            leader.guard(session, self.term, is_light=is_light)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read, each statement as of its own moment."""
        with self._readers() as session:
            yield session

    def repeat(self, name: str, loop: Callable[[], None]) -> None:
        """Run a loop until the term ends; one that fails begins anew, each time a little later.

        The end of an outage is looked for each second, however long it lasts.
        Losing the leadership ends the term for all loops.
        """
        pause, told = FIRST_PAUSE_SECONDS, ""
        while not self.stop.is_set():
            began, longest = monotonic(), LONGEST_PAUSE_SECONDS
            try:
                loop()
            except LostLeadershipError as lost:
                log.warning("%s: %s", name, lost)
                self.stop.set()
            except (*REDIS_ERRORS, OperationalError, psycopg2.OperationalError) as error:
                longest = OUTAGE_PAUSE_SECONDS
                # Said once: an outage may last for hours.
                if told != (told := _first_line(error)):
                    log.warning("%s begins anew: %s", name, told)
            except Exception:
                log.exception("%s begins anew", name)
            if monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause, told = FIRST_PAUSE_SECONDS, ""
            self.stop.wait(min(pause, longest))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same transaction may well succeed later: no connection, deadlock, timeout.

    A value that is too large for the database will be that for ever.
    """
    if not isinstance(error, DBAPIError):
        return False
    is_operational = isinstance(error, OperationalError)
    is_too_large = isinstance(error.orig, psycopg2.Error) and error.orig.pgcode == TOO_LARGE
    return (is_operational and not is_too_large) or error.connection_invalidated


def is_outage(error: BaseException) -> bool:
    """Tell whether database or Redis do not answer at all, which has nothing to do with one host."""
    if isinstance(error, DBAPIError):
        has_answered = isinstance(error.orig, psycopg2.Error) and error.orig.pgcode is not None
        return error.connection_invalidated or not has_answered
    return isinstance(error, REDIS_ERRORS) and not isinstance(error, ResponseError)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
