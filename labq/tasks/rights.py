"""The task that moves jobs to the audience of their device, for a moment; the next one is handed out."""

from __future__ import annotations

from datetime import UTC, datetime

from labq.config import load
from labq.domain.deadline import Deadline
from labq.queue import app
from labq.services import audience_moves
from labq.services.database import Role, make_engine, session_factory

SLICE_SECONDS = 5.0
"""Soon over, so that a worker that is stopped need not be waited for."""


@app.task(name="labq.rights", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def rights(device_type: str) -> None:
    """Idempotent: each batch is one transaction, and what was moved is found no more."""
    engine = make_engine(load().conductor_database, Role.CORE)
    sessions, until = session_factory(engine), Deadline.after(SLICE_SECONDS)
    try:
        with sessions() as session:
            version = audience_moves.find_version(session, device_type)
        if version is not None:
            audience_moves.move_all(sessions, (device_type, version), until, datetime.now(UTC))
    finally:
        engine.dispose()
