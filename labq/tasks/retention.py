"""The task that does one step of retention; the conductor sends it whenever one is due."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from datetime import UTC, datetime
from functools import cache

from labq.config import Settings, load
from labq.domain.deadline import Deadline
from labq.domain.errors import ConflictError
from labq.domain.windows import is_open, parse_windows
from labq.queue import app
from labq.services.archive.pack import Blobs
from labq.services.archive.store import open_store
from labq.services.database import Role, make_engine, session_factory
from labq.services.retention import runs, worker
from labq.services.retention.pace import Pace
from labq.services.retention.worker import Ground
from labq.services.transitions import SYSTEM

STEP_SECONDS = 20.0
"""How long one task works; what is left is done by the next one."""
log = logging.getLogger(__name__)


@app.task(name="labq.retention", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def retention() -> None:
    """Leased: works at the one open run, which no other process does meanwhile."""
    settings = load()
    ground = _ground(settings)
    try:
        if _may_work(ground, settings):
            pace = Pace(ground.sessions, Deadline.after(STEP_SECONDS))
            worker.step(ground, _holder(), SYSTEM, pace)
    except ConflictError as error:
        log.info("%s", error)


def _may_work(ground: Ground, settings: Settings) -> bool:
    """Tell whether it is time: in the windows of the day, or when somebody asked for a run."""
    now = ground.clock()
    if is_open(parse_windows(settings.retention_windows), now):
        return True
    with ground.sessions.begin() as session:
        run = runs.find_open(session)
        if run and run.asked_by != SYSTEM:
            return True
        runs.put_off(session, now)
    return False


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@cache
def _ground(settings: Settings) -> Ground:
    engine = make_engine(settings.conductor_database, Role.CORE)
    return Ground(
        engine,
        session_factory(engine),
        open_store(settings),
        Blobs.below(settings.blobs),
        lambda: datetime.now(UTC),
    )
