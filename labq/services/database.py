"""Engines and sessions: how many connections each process may hold and how long a statement runs."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, cast

import psycopg2.errors
from psycopg2.extensions import connection
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.deadline import Deadline
from labq.domain.errors import TooSlowError
from labq.services import prepared, proof

DRIVER = "postgresql+psycopg2"
# libpq's: a peer that the network has swallowed is given up by the kernel after 11 s.
KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
LEAST_MS = 10
"""Less time than this is none."""
_LOG = logging.getLogger(__name__)
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a role may take of the database in one process; milliseconds, 0 is no limit.

    `connections` are kept, `spare` ones made and closed as needed; who needs one while all are in
    use waits for at most `pool_seconds`.
    """

    connections: int
    spare: int
    statement_ms: int
    lock_ms: int
    idle_in_transaction_ms: int
    pool_seconds: float

    @property
    def most(self) -> int:
        """Return how many connections there may be at once."""
        return self.connections + self.spare


class Role(Enum):
    """Who connects; no two have the same limits, which would make them one.

    A paused conductor must not hold its rows for longer than its lease: the next one needs them.
    """

    PAGE = Limits(4, 2, 3_000, 2_000, 30_000, 1.0)
    API = Limits(4, 4, 10_000, 3_000, 30_000, 2.0)
    REPORT = Limits(1, 2, 8_000, 1_000, 20_000, 2.0)
    STREAM = Limits(2, 2, 10_000, 3_000, 30_000, 10.0)
    CONDUCTOR = Limits(6, 2, 30_000, 5_000, 2_500, 10.0)
    CORE = Limits(2, 4, 60_000, 5_000, 60_000, 30.0)
    COMMAND = Limits(1, 1, 0, 5_000, 0, 30.0)
    MIGRATION = Limits(1, 1, 0, 4_000, 0, 30.0)


def make_engine(url: str, role: Role, *, application: str = "labq") -> Engine:
    """Return an engine for a `postgresql://` URL with the limits of `role`.

    Its connections are named after role, process and machine: `labq api 4711@server`.
    """
    limits = role.value
    options = {
        "statement_timeout": limits.statement_ms,
        "lock_timeout": limits.lock_ms,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction_ms,
        # What lists read is in memory: the planner is to take the index that delivers in order.
        "random_page_cost": 1.1,
        # What is prepared (labq.services.prepared) has a plan that does for all values.
        "plan_cache_mode": "force_generic_plan",
        # A guess at what the values are would have a list of milliseconds compiled for seconds.
        "jit": "off",
    }
    engine = create_engine(
        make_url(url).set(drivername=DRIVER),
        pool_size=limits.connections,
        max_overflow=limits.spare,
        pool_timeout=limits.pool_seconds,
        executemany_mode="values_plus_batch",
        connect_args={
            "application_name": _name(application, role),
            "connect_timeout": 5,
            **KEEPALIVE,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )
    prepared.attach(engine)
    if role is not Role.CONDUCTOR:
        proof.attach(engine)
    return engine


def session_factory(engine: Engine, *, autoflush: bool = True) -> sessionmaker[Session]:
    """Return the factory of sessions; rows stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False, autoflush=autoflush)


@contextmanager
def one_by_one(session: Session) -> Iterator[None]:
    """Let each statement of the block be a transaction of its own, which needs no BEGIN and COMMIT."""
    link = cast("connection", session.connection().connection.dbapi_connection)
    # Unlike an isolation level it is nothing that the server is told.
    link.autocommit = True
    try:
        yield
    finally:
        if not link.closed:
            link.autocommit = False


def is_too_slow(error: BaseException) -> bool:
    """Tell whether PostgreSQL ended a statement because it ran into its time-out."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, psycopg2.errors.QueryCanceled)


def is_locked_out(error: BaseException) -> bool:
    """Tell whether a lock was not to be had within the role's time-out."""
    held = psycopg2.errors.LockNotAvailable
    return isinstance(error, DBAPIError) and isinstance(error.orig, held)


def attempt(
    session: Session, load: Callable[[Session], _Found], deadline: Deadline | None = None
) -> _Found:
    """Return what `load` finds; the transaction stays good when a statement of it is too slow.

    Raises TooSlowError then, so that the caller can show the rest without it. With a deadline no
    statement of this transaction runs on after it.
    """
    try:
        with session.begin_nested():
            if deadline is not None:
                _hurry(session, deadline)
            return load(session)
    except DBAPIError as error:
        if is_too_slow(error):
            raise TooSlowError(
                "the database did not find it within the time for one question"
            ) from (error)
        raise


def unless_slow(load: Callable[[], _Found]) -> _Found | None:
    """Return what `load` finds, None when it takes too long: its place says so, the rest stays."""
    try:
        return load()
    except TooSlowError as error:
        _LOG.warning("a part of a page is left out: %s", error)
        return None


def _hurry(session: Session, deadline: Deadline) -> None:
    """Leave the statements that follow the time until the deadline, to a tenth of a second."""
    left_ms = round(deadline.remaining() * 1000)
    if left_ms < LEAST_MS:
        raise TooSlowError("there was no time left for this")
    session.execute(text(f"SET LOCAL statement_timeout = {left_ms}"))


def _name(application: str, role: Role) -> str:
    """Return what PostgreSQL shows for a connection; it keeps 63 bytes."""
    return f"{application} {role.name.lower()} {os.getpid()}@{socket.gethostname()}"[:63]
