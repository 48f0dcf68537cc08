"""What retention has to do with one job: who pinned it, and what was removed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, and_, func, select, update
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


def removed_of_job() -> ScalarSelect[Any]:
    """Return a column for a query over `Job`: what was removed of each, for `read_removed`."""
    part = func.json_build_object(
        "kind", ArchivedPart.kind, "at", ArchivedPart.removed_at, "bundle", ArchiveBundle.name
    )
    return (
        select(func.json_agg(part))
        .select_from(ArchivedPart)
        .outerjoin(ArchiveBundle, ArchiveBundle.id == ArchivedPart.bundle_id)
        .where(ArchivedPart.job_id == Job.id, ArchivedPart.removed_at.is_not(None))
        .correlate(Job)
        .scalar_subquery()
    )


def read_removed(found: Sequence[Mapping[str, str]] | None) -> tuple[RemovedPart, ...]:
    """Return what the column of `removed_of_job` says."""
    removed = [
        RemovedPart(
            kind=Kind(part["kind"]),
            removed_at=datetime.fromisoformat(part["at"]).astimezone(UTC),
            bundle=part["bundle"],
        )
        for part in found or ()
    ]
    order = list(Kind)
    return tuple(sorted(removed, key=lambda part: order.index(part.kind)))


def find_pin(session: Session, job_id: int) -> PinView | None:
    """Return the pin of a job that the caller was let see."""
    return read_pin(session.get(JobPin, job_id))


def touch(session: Session, jobs: list[int]) -> None:
    """Write jobs' rows as they are: copies of answers that others keep are good no longer."""
    row = table_of(Job)
    session.execute(update(row).where(row.c.id.in_(jobs)).values(name=row.c.name))


def touch_day(session: Session, day: date) -> None:
    """Do the same with the jobs that were submitted on a UTC day."""
    row, begin = table_of(Job), datetime.combine(day, time(), UTC)
    of_day = and_(row.c.submitted_at >= begin, row.c.submitted_at < begin + timedelta(days=1))
    session.execute(update(row).where(of_day).values(name=row.c.name))


def read_pin(row: JobPin | None) -> PinView | None:
    """Return a pin's row as a value."""
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
