"""The task that carries out a back-fill for a moment; the conductor hands out the next one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cache

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from labq.config import load
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError
from labq.migration.backfills import find_backfill
from labq.migration.locks import is_lock_missing
from labq.queue import app
from labq.services import backfills
from labq.services.database import Role, make_engine, session_factory
from labq.services.filling import Filling, Turn
from labq.services.upgrading import is_outage

SLICE_SECONDS = 5.0
"""Soon over, so that a worker that is stopped need not be waited for."""
log = logging.getLogger(__name__)


@app.task(name="labq.backfill", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def backfill(what: str) -> None:
    """Idempotent: each batch is one transaction with the note how far it is. `what` is its name."""
    try:
        turn = Filling(_engine(), find_backfill(what)).run(Deadline.after(SLICE_SECONDS))
    except (DBAPIError, ConfigurationError) as error:
        _note(what, error)
    else:
        if turn is Turn.DONE:
            with session_factory(_engine()).begin() as session:
                backfills.yield_turn(session, what, datetime.now(UTC))


def _note(name: str, error: Exception) -> None:
    """Note what went wrong; what passes by itself is left to the next task."""
    log.warning("the back-fill %s is interrupted: %s", name, error)
    if is_outage(error) or (isinstance(error, DBAPIError) and is_lock_missing(error)):
        return
    with session_factory(_engine()).begin() as session:
        backfills.note_failure(session, name, str(error).partition("\n")[0], datetime.now(UTC))


@cache
def _engine() -> Engine:
    return make_engine(load().database_url, Role.CORE)
