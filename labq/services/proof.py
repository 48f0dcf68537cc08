"""Proof that a pooled connection still is one, without a round trip for one that is in steady use.

A server that ends a connection says so: something is there to be read. What was used a moment ago and
has nothing to say is taken as it is; what was idle is asked.
"""

from __future__ import annotations

import select
from typing import cast

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPIModule
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from labq.domain.deadline import monotonic

STEADY_SECONDS = 1.0
_USED_AT = "labq.used"


def attach(engine: Engine) -> None:
    """Prove each connection that the engine's pool gives out; dead ones are made anew."""

    def prove(
        link: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        if _is_steady(cast("connection", link), record):
            return
        try:
            engine.dialect.do_ping(link)
        except psycopg2.Error as error:
            if not engine.dialect.is_disconnect(cast("DBAPIModule.Error", error), link, None):
                raise
            raise InvalidatePoolError from error

    event.listen(engine, "connect", _note)
    event.listen(engine, "checkin", _note)  # codespell:ignore checkin
    event.listen(engine, "checkout", prove)


def _note(_link: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = monotonic()


def _is_steady(link: connection, record: ConnectionPoolEntry) -> bool:
    """Tell whether a connection was used a moment ago, and nobody has ended it since."""
    if link.closed or monotonic() - record.info.get(_USED_AT, 0.0) > STEADY_SECONDS:
        return False
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    return not poll.poll(0)
