"""A month of results is not let go of while a job is pinned, restored, or policies change."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

ADVISORY_LOCK = 5_722_901_313


def hold_off_drops(session: Session) -> None:
    """Let no month go until the transaction ends; waits for one that is being let go of."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": ADVISORY_LOCK})


def hold_for_drop(session: Session) -> None:
    """Keep those above waiting until the transaction ends, which must be short."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
