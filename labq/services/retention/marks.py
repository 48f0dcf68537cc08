"""What retention has to do with one job: who pinned it, and what was removed of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from labq.domain.retention import Kind
from labq.models.base import table_of
from labq.models.job import Job
from labq.models.retention import ArchiveBundle, ArchivedPart, JobPin


@dataclass(frozen=True, slots=True, kw_only=True)
class PinView:
    """Who keeps a job, since when and why."""

    job: int
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedPart:
    """A kind of a job's data that retention removed; `bundle` is null where it was not archived."""

    kind: Kind
    removed_at: datetime
    bundle: str | None

    @property
    def sentence(self) -> str:
        """Return it in words."""
        where = f"archived in {self.bundle}" if self.bundle else "not archived"
        what = _WORDS[self.kind]
        return f"{what} removed by retention on {self.removed_at:%Y-%m-%d}, {where}"


@dataclass(frozen=True, slots=True)
class Marks:
    """The pin of a job, and what was removed of it."""

    pin: PinView | None
    removed: tuple[RemovedPart, ...]


def find(session: Session, job_id: int) -> Marks:
    """Return the marks of a job that the caller was let see, in one query."""
    is_removed = and_(ArchivedPart.job_id == Job.id, ArchivedPart.removed_at.is_not(None))
    rows = session.execute(
        select(JobPin, ArchivedPart.kind, ArchivedPart.removed_at, ArchiveBundle.name)
        .select_from(Job)
        .outerjoin(JobPin, JobPin.job_id == Job.id)
        .outerjoin(ArchivedPart, is_removed)
        .outerjoin(ArchiveBundle, ArchiveBundle.id == ArchivedPart.bundle_id)
        .where(Job.id == job_id)
    ).all()
    removed = [
        RemovedPart(kind=kind, removed_at=at, bundle=name) for _, kind, at, name in rows if at
    ]
    order = list(Kind)
    return Marks(
        _pin(rows[0][0]) if rows else None,
        tuple(sorted(removed, key=lambda part: order.index(part.kind))),
    )


def find_pin(session: Session, job_id: int) -> PinView | None:
    """Return the pin of a job that the caller was let see."""
    return _pin(session.get(JobPin, job_id))


def touch(session: Session, jobs: list[int]) -> None:
    """Write jobs' rows as they are: copies of answers that others keep are good no longer."""
    row = table_of(Job)
    session.execute(update(row).where(row.c.id.in_(jobs)).values(name=row.c.name))


def touch_day(session: Session, day: date) -> None:
    """Do the same with the jobs that were submitted on a UTC day."""
    row, begin = table_of(Job), datetime.combine(day, time(), UTC)
    of_day = and_(row.c.submitted_at >= begin, row.c.submitted_at < begin + timedelta(days=1))
    session.execute(update(row).where(of_day).values(name=row.c.name))


def _pin(row: JobPin | None) -> PinView | None:
    if row is None:
        return None
    return PinView(job=row.job_id, by=row.pinned_by, at=row.pinned_at, reason=row.reason)


_WORDS = {
    Kind.CONSOLE: "Raw bytes of consoles",
    Kind.ARTIFACTS: "Artifacts",
    Kind.LOGS: "Log",
    Kind.PLANS: "Plan",
    Kind.RESULTS: "Results",
    Kind.JOBS: "Job",
}
