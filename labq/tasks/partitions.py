"""The task that makes the partitions of the months to come."""

from __future__ import annotations

from datetime import UTC, datetime

from labq.config import load
from labq.queue import app
from labq.services import partitions as months
from labq.services.database import Role, make_engine


@app.task(name="labq.partitions", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def partitions() -> None:
    """Idempotent: what is there is left as it is."""
    engine = make_engine(load().conductor_database, Role.CORE)
    try:
        with engine.begin() as connection:
            months.ensure_ahead(connection, datetime.now(UTC).date())
    finally:
        engine.dispose()
