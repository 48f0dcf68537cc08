"""Back-fills as rows: which are due, how far they are, what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from labq.models.upgrade import Backfill
from labq.services import transitions
from labq.services.transitions import Work

HANDED_OUT = timedelta(minutes=1)
"""How long nothing may be heard of a task before another one is handed out."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a back-fill is; `total` is an estimate, `rests` why it waits, `error` the last one."""

    name: str
    done: int
    total: int
    started_at: datetime | None
    finished_at: datetime | None
    rests: str
    error: str

    @property
    def percent(self) -> int:
        """Return how much is done, 100 only at the end."""
        if self.finished_at is not None:
            return 100
        return min(99, 100 * self.done // max(1, self.total))


def find_all(session: Session) -> tuple[Progress, ...]:
    """Return all back-fills, by name."""
    names = tuple(Progress.__dataclass_fields__)
    columns = [Backfill.__table__.c[name] for name in names]
    rows = session.execute(select(*columns).order_by(Backfill.name))
    return tuple(Progress(**row._asdict()) for row in rows)


def find_unfinished(session: Session) -> tuple[Progress, ...]:
    """Return those that are not finished."""
    return tuple(one for one in find_all(session) if one.finished_at is None)


def hand_out(session: Session, now: datetime, limit: int = 10) -> list[str]:
    """Return those that are due, which are due again when nothing is heard of their task."""
    due = (
        select(Backfill.name)
        .where(Backfill.finished_at.is_(None), Backfill.due_at <= now)
        .order_by(Backfill.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()
    )
    moved = (
        update(Backfill)
        .where(Backfill.name.in_(select(due.c.name)))
        .values(due_at=now + HANDED_OUT)
        .returning(Backfill.name)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.scalars(moved))


def yield_turn(session: Session, name: str, now: datetime) -> None:
    """Have another task handed out at once."""
    session.execute(update(Backfill).where(Backfill.name == name).values(due_at=now))
    transitions.tell(session, work=[Work.DELIVERING])


def note_failure(session: Session, name: str, error: str, now: datetime) -> None:
    """Note why a batch failed; the next try comes later each time."""
    for row in session.scalars(select(Backfill).where(Backfill.name == name).with_for_update()):
        pause = FIRST_PAUSE * 2 ** min(row.failures, 10)
        row.error, row.failures = error, row.failures + 1
        row.due_at = now + min(pause, LONGEST_PAUSE)


def start_over(session: Session, name: str, now: datetime) -> None:
    """Have all rows looked at once more."""
    values = {"cursor": 0, "done": 0, "finished_at": None, "started_at": None, "due_at": now}
    session.execute(update(Backfill).where(Backfill.name == name).values(values))
