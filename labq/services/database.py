"""Engines and sessions: how many connections each process may hold and how long a statement runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

DRIVER = "postgresql+psycopg2"
# libpq's: a peer that the network has swallowed is given up by the kernel after 11 s.
KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take of the database; milliseconds, 0 is no limit."""

    connections: int
    spare: int
    statement_ms: int
    lock_ms: int
    idle_in_transaction_ms: int


class Role(Enum):
    """Who connects.

    A paused conductor must not hold its rows for longer than its lease: the next one needs them.
    """

    WEB = Limits(6, 4, 10_000, 3_000, 30_000)
    STREAM = Limits(2, 2, 10_000, 3_000, 30_000)
    CONDUCTOR = Limits(6, 2, 30_000, 5_000, 2_500)
    CORE = Limits(2, 4, 60_000, 5_000, 60_000)
    COMMAND = Limits(1, 1, 0, 5_000, 0)


def make_engine(url: str, role: Role, *, application: str = "labq") -> Engine:
    """Return an engine for a `postgresql://` URL with the limits of `role`."""
    limits = role.value
    options = {
        "statement_timeout": limits.statement_ms,
        "lock_timeout": limits.lock_ms,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction_ms,
    }
    return create_engine(
        make_url(url).set(drivername=DRIVER),
        pool_size=limits.connections,
        max_overflow=limits.spare,
        pool_pre_ping=role is not Role.CONDUCTOR,
        executemany_mode="values_plus_batch",
        connect_args={
            "application_name": f"{application} {role.name.lower()}",
            "connect_timeout": 5,
            **KEEPALIVE,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )


def session_factory(engine: Engine, *, autoflush: bool = True) -> sessionmaker[Session]:
    """Return the factory of sessions; rows stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False, autoflush=autoflush)
