"""One term of leadership: every transaction in it holds the leader's row at this term."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from labq.conductor.link import REDIS_ERRORS
from labq.services import leader
from labq.services.database import session_factory
from labq.services.leader import LostLeadershipError, Term
from labq.statsd import timer

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
log = logging.getLogger(__name__)


class Lead:
    """What the loops of a leading conductor share: its term, the database and when to stop."""

    def __init__(self, engine: Engine, term: Term) -> None:
        self.engine = engine
        self.term = term
        self.stop = threading.Event()
        self._sessions: sessionmaker[Session] = session_factory(engine)

    @contextmanager
    def transaction(self, name: str) -> Iterator[Session]:
        """Run a transaction of this term; raises LostLeadershipError when the term is over."""
        with timer(f"transaction.{name}"), self._sessions.begin() as session:
            leader.guard(session, self.term)
            yield session

    @contextmanager
    def light_transaction(self, name: str) -> Iterator[Session]:
        """Run a transaction whose loss in a crash does no harm: its commit waits for no disk."""
        with self.transaction(name) as session:
            session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read in a transaction that changes nothing."""
        with self._sessions() as session:
            yield session

    def repeat(self, name: str, turn: Callable[[], None]) -> None:
        """Do `turn` again and again until the term ends; a failing one is tried again, later each time.

        Losing the leadership ends the term for all loops.
        """
        pause = FIRST_PAUSE_SECONDS
        while not self.stop.is_set():
            try:
                turn()
                pause = FIRST_PAUSE_SECONDS
            except LostLeadershipError as lost:
                log.warning("%s: %s", name, lost)
                self.stop.set()
            except (*REDIS_ERRORS, OperationalError) as error:
                log.warning("%s goes on in %.1f s: %s", name, pause, _first_line(error))
                pause = self._wait(pause)
            except Exception:
                log.exception("%s failed; it goes on in %.1f s", name, pause)
                pause = self._wait(pause)

    def _wait(self, pause: float) -> float:
        self.stop.wait(pause)
        return min(pause * 2, LONGEST_PAUSE_SECONDS)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same transaction may well succeed later: no connection, deadlock, timeout."""
    return isinstance(error, OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
