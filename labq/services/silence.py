"""A database that says nothing (frozen, cut off) is told from a slow one, and is not waited for.

psycopg2 hands every wait of the process to `Watch.wait`. When an answer is late, a fresh connection is
tried: one that is answered, were it by a refusal, tells of a server that is there, and the slow query goes
on. Silence ends all waits, and those that come later at once, until a try is answered.
"""

from __future__ import annotations

import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from math import inf

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import connection

from labq.domain.deadline import monotonic
from labq.services.database import Role

LOOK_MS = 50
PAUSE_SECONDS = 0.2
LEEWAY_SECONDS = 2.0
# What a connection has as its status once it is made.
_OPEN = (extensions.STATUS_READY, extensions.STATUS_BEGIN, extensions.STATUS_PREPARED)
_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


class SilentDatabaseError(psycopg2.OperationalError):
    """No answer came, and none was to be expected; the connection is closed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how late an answer may be before a try, how long a try or a new connection may take."""

    answer: float
    connection: float


REQUEST = Patience(0.2, 0.5)
"""For those whom a person or a program waits for: what cannot be served is said within a second."""
LOOP = Patience(1.0, 1.0)
"""For those who come back by themselves."""


class Watch:
    """The waits of one process for its database. Any thread may wait; one more tries."""

    def __init__(self, url: str, patience: Patience, role: Role, application: str = "") -> None:
        """Watch connections; tries are made under the name `application`, if it is given."""
        self._url = extensions.make_dsn(url, application_name=application) if application else url
        self._patience = patience
        statement = role.value.statement_ms / 1000
        self._longest = statement + LEEWAY_SECONDS if statement else inf
        self._lock = threading.Lock()
        self._trying: int | None = None
        self._answers = 0
        self.is_silent = False

    def install(self) -> None:
        """Take over all waits of this process for a database."""
        extensions.set_wait_callback(self.wait)

    def wait(self, link: connection) -> None:
        """Return once libpq has what it waits for; raises SilentDatabaseError."""
        began = monotonic()
        while (state := link.poll()) != extensions.POLL_OK:
            if not self._is_ready(link, state):
                self._look_at(link, monotonic() - began)
        self._answers += 1

    def _is_ready(self, link: connection, state: int) -> bool:
        """Wait a moment for the connection's socket."""
        if self.is_silent and threading.get_ident() != self._trying:
            raise SilentDatabaseError("the database does not answer")
        poll = select.poll()
        poll.register(link.fileno(), _EVENTS[state])
        return bool(poll.poll(LOOK_MS))

    def _look_at(self, link: connection, waited: float) -> None:
        """Decide what to make of an answer that has not come yet."""
        longest = self._longest if link.status in _OPEN else self._patience.connection
        if waited > longest:
            raise SilentDatabaseError(f"no answer of the database in {longest:g} s")
        if waited > self._patience.answer:
            self._suspect()

    def _suspect(self) -> None:
        with self._lock:
            if self._trying is None:
                self._trying = 0
                threading.Thread(target=self._try, name="database", daemon=True).start()

    def _try(self) -> None:
        """Try until the server answers; an answer to anybody else counts as well."""
        self._trying = threading.get_ident()
        while True:
            before = self._answers
            self.is_silent = not self._is_answered() and self._answers == before
            if not self.is_silent:
                break
            time.sleep(PAUSE_SECONDS)
        self._trying = None

    def _is_answered(self) -> bool:
        try:
            link = psycopg2.connect(self._url)
        except SilentDatabaseError:
            return False
        except psycopg2.Error:
            return True
        with suppress(psycopg2.Error):
            link.close()
        return True


class Watches:
    """The waits of a process for a database and for its replica: the silence of one is not the other's.

    Connections to the replica are told by their name, which begins with `name`.
    """

    def __init__(self, primary: Watch, replica: Watch, name: str) -> None:
        self._primary, self._replica, self._name = primary, replica, name

    def install(self) -> None:
        """Take over all waits of this process for both."""
        extensions.set_wait_callback(self.wait)

    def wait(self, link: connection) -> None:
        """Return once libpq has what it waits for; raises SilentDatabaseError."""
        is_far = f"application_name='{self._name}" in link.dsn
        (self._replica if is_far else self._primary).wait(link)
