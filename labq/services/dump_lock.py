"""While a dump copies files, none that its rows name is removed."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

DUMP_LOCK = 5_722_901_350
"""An advisory lock that dumps share."""


def may_remove(session: Session) -> bool:
    """Tell whether no dump is at work; none copies files until the transaction ends."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(DUMP_LOCK))))
