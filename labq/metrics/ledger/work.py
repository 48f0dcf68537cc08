"""What is under way in this process: requests and transactions, each worked on by one thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from psycopg2.extensions import connection as Link  # noqa: N812 - it is a class
from sqlalchemy.exc import TimeoutError as TooLateError

from labq.domain.errors import InfrastructureError
from labq.metrics.ledger.clock import wall
from labq.metrics.ledger.sql import Names

MOST_CALLS = 60
"""Statements of one piece of work that are kept one by one; all of them are counted."""
CANCEL_SECONDS = 1.0
"""How long a thread waits for a cancellation of its statement that is still on its way."""
GRACE_SECONDS = 2.0
"""How much longer than its limit a request may take to say that it was stopped."""
REQUEST: ContextVar[Request | None] = ContextVar("labq.request", default=None)
"""The request that this thread works on."""


class OverdueError(InfrastructureError):
    """A request ran over its hard limit and was stopped."""


@dataclass(slots=True)
class Tally:
    """Calls of one statement; the parameters are those of the slowest."""

    calls: int = 0
    seconds: float = 0.0
    longest: float = -1.0
    rows: int = 0
    parameters: object = None

    def add(self, seconds: float, rows: int, parameters: object) -> None:
        """Count one more call."""
        self.calls += 1
        self.seconds += seconds
        self.rows += rows
        if seconds > self.longest:
            self.longest, self.parameters = seconds, parameters


class Keeper(Protocol):
    """Who is told what begins and has ended: the ledger."""

    sql_log_until: float
    names: Names

    def begin(self, work: Work) -> None: ...
    def end_transaction(self, transaction: Transaction) -> None: ...


@dataclass(slots=True, eq=False)
class Work:
    """Something that runs statements; seconds are those of `time.perf_counter`."""

    name: str
    keeper: Keeper
    began: float = field(default_factory=time.perf_counter)
    at: float = field(default_factory=wall)
    thread: int = field(default_factory=threading.get_ident)
    tallies: dict[str, Tally] = field(default_factory=dict)
    calls: list[tuple[str, float, int]] = field(default_factory=list)
    stacks: list[str] = field(default_factory=list)

    def note(self, text: str, seconds: float, rows: int, parameters: object) -> None:
        """Count a statement by its raw text."""
        tally = self.tallies.get(text)
        if tally is None:
            tally = self.tallies[text] = Tally()
        tally.add(seconds, rows, parameters)
        if len(self.calls) < MOST_CALLS:
            self.calls.append((text, seconds, rows))

    @property
    def queries(self) -> int:
        """Return how many statements were run."""
        return sum(tally.calls for tally in self.tallies.values())

    @property
    def query_seconds(self) -> float:
        """Return how long statements took in all."""
        return sum(tally.seconds for tally in self.tallies.values())

    @property
    def rows(self) -> int:
        """Return how many rows statements gave or changed."""
        return sum(tally.rows for tally in self.tallies.values())


@dataclass(slots=True, eq=False)
class Request(Work):
    """One request of a client."""

    id: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    user: str = ""
    cpu_began: float = field(default_factory=time.thread_time)
    status: int = 500
    size: int | None = None
    cache: Counter[str] = field(default_factory=Counter)
    profile: str = ""
    limit: float = 0.0
    stopped_at: float = 0.0
    is_overdue: bool = False
    is_told: bool = False
    # Held while the statement that runs is canceled, so that the next one is not hit.
    canceling: threading.Lock = field(default_factory=threading.Lock)
    connection: Link | None = None

    def enter(self, link: Link) -> None:
        """Note that a statement begins; raises OverdueError when the request has been stopped."""
        if not self.canceling.acquire(timeout=CANCEL_SECONDS):
            raise self.overdue()
        try:
            if self.is_overdue:
                raise self.overdue()
            self.connection = link
        finally:
            self.canceling.release()

    def leave(self) -> bool:
        """Note that the statement is over; False while somebody is still canceling it."""
        if not self.canceling.acquire(timeout=CANCEL_SECONDS):
            return False
        self.connection = None
        self.canceling.release()
        return True

    def stop(self) -> None:
        """Let no other statement begin."""
        self.stopped_at = self.stopped_at or self.limit
        self.is_overdue = True

    def overdue(self) -> OverdueError | TooLateError:
        """Return the error of a request that was stopped; whoever answers it has a moment for that.

        What is stopped after that belongs to the answer, which does without it as without a database.
        """
        message = f"the request ran over its limit of {self.stopped_at:g} s and was stopped"
        is_first, self.is_told = not self.is_told, True
        self.is_overdue = False
        self.limit = time.perf_counter() - self.began + GRACE_SECONDS
        return OverdueError(message) if is_first else TooLateError(message)


@dataclass(slots=True, eq=False)
class Transaction(Work):
    """One transaction; `request` is the one it is part of, `is_plain_read` has no BEGIN."""

    request: Request | None = None
    is_plain_read: bool = False
    statement_began: float = 0.0
    ended: float = 0.0
    has_failed: bool = False


def note_cache(outcome: str) -> None:
    """Count a call of a cache (hit, miss, stale, bypass) for the request that is under way."""
    request = REQUEST.get()
    if request is not None:
        request.cache[outcome] += 1
