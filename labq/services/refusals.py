"""What hosts sent that was refused: the newest kept with their reasons, all of it counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.models.control import Refusal, RejectedEvent

MOST_KEPT = 500
"""Of each host; older ones go."""
MOST_AT_ONCE = 20
MOST_PAYLOAD = 20_000
MOST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that changes nothing, and why; `entries` of the same kind are told of as one."""

    payload: str
    reason: str
    entries: int = 1


def note(session: Session, host: str, refused: Sequence[Refused], now: datetime) -> None:
    """Count what was refused of a host and keep the newest of it."""
    if not refused:
        return
    newest = refused[-MOST_AT_ONCE:]
    session.add_all(
        RejectedEvent(
            host=host,
            at=now,
            payload=storable(one.payload, MOST_PAYLOAD),
            reason=storable(one.reason, MOST_REASON),
        )
        for one in newest
    )
    session.flush()
    _drop_old(session, host)
    _count(session, host, refused, now)


def storable(text: str, most: int) -> str:
    """Return a stranger's text as the database can keep it."""
    return text[:most].replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _drop_old(session: Session, host: str) -> None:
    last = (
        select(RejectedEvent.id)
        .where(RejectedEvent.host == host)
        .order_by(RejectedEvent.id.desc())
        .offset(MOST_KEPT)
        .limit(1)
        .scalar_subquery()
    )
    session.execute(
        delete(RejectedEvent)
        .where(RejectedEvent.host == host, RejectedEvent.id <= last)
        .execution_options(synchronize_session=False)
    )


def _count(session: Session, host: str, refused: Sequence[Refused], now: datetime) -> None:
    entries = sum(one.entries for one in refused)
    reason = storable(refused[-1].reason, MOST_REASON)
    row = insert(Refusal).values(host=host, entries=entries, reason=reason, at=now)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Refusal.host],
            set_={"entries": Refusal.entries + entries, "reason": reason, "at": now},
        )
    )
