"""The task that keeps how large tables and indexes are."""

from __future__ import annotations

from datetime import UTC, datetime

from labq.config import load
from labq.queue import app
from labq.services.database import Role, make_engine, session_factory
from labq.services.ops import relation_sizes


@app.task(name="labq.sizes", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def sizes() -> None:
    """Idempotent: a sample that was just taken is not taken again."""
    engine = make_engine(load().conductor_database, Role.CORE)
    try:
        with session_factory(engine).begin() as session:
            relation_sizes.sample(session, datetime.now(UTC))
    finally:
        engine.dispose()
