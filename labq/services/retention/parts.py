"""What of which job stands in which bundle, and whether it was removed since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.retention import Kind
from labq.models.base import table_of
from labq.models.retention import ArchivedJob, ArchivedPart
from labq.services.retention.days import Due
from labq.services.retention.runs import Hold


def find_pending(session: Session, jobs: Collection[int]) -> dict[int, dict[Kind, ArchivedPart]]:
    """Return the parts of jobs that are archived, or need not be, and are not removed."""
    found: dict[int, dict[Kind, ArchivedPart]] = {}
    query = select(ArchivedPart).where(
        ArchivedPart.job_id.in_(jobs), ArchivedPart.removed_at.is_(None)
    )
    for part in session.scalars(query):
        found.setdefault(part.job_id, {})[part.kind] = part
    return found


def lacking(due: Iterable[Due], pending: Mapping[int, Mapping[Kind, ArchivedPart]]) -> list[Due]:
    """Return those that have to be noted first, and written to a bundle if their policy says so."""
    return [
        one
        for one in due
        if any(not _covers(pending.get(one.job.id, {}).get(kind), one) for kind in one.parts)
    ]


def note(session: Session, due: Sequence[Due], bundle: int | None, hold: Hold) -> None:
    """Note that the parts of jobs may be removed: they stand in a bundle, or need not (None)."""
    if not due:
        return
    session.execute(_NOTE_JOBS, {"jobs": [one.job.id for one in due]})
    rows = [
        {
            "job_id": one.job.id,
            "kind": kind,
            "bundle_id": bundle,
            "size": one.job.sizes[kind],
            "revision": hold.revision,
            "removed_at": None,
        }
        for one in due
        for kind in one.parts
    ]
    stored = insert(table_of(ArchivedPart))
    names = ("bundle_id", "size", "revision", "removed_at")
    session.execute(
        stored.on_conflict_do_update(
            index_elements=["job_id", "kind"],
            set_={name: stored.excluded[name] for name in names},
        ),
        rows,
    )


def renew(session: Session, jobs: Collection[int], hold: Hold) -> None:
    """Note that what was archived by earlier policies may be removed by those in force, too."""
    session.execute(
        update(ArchivedPart)
        .where(ArchivedPart.job_id.in_(jobs), ArchivedPart.removed_at.is_(None))
        .values(revision=hold.revision)
    )


def note_removed(session: Session, removed: Mapping[int, Collection[Kind]], now: datetime) -> None:
    """Note that parts are gone from the database, and jobs where the whole of them is."""
    for job, kinds in removed.items():
        session.execute(
            update(ArchivedPart)
            .where(ArchivedPart.job_id == job, ArchivedPart.kind.in_(list(kinds)))
            .values(removed_at=now)
        )
    whole = [job for job, kinds in removed.items() if Kind.JOBS in kinds]
    if whole:
        session.execute(
            update(ArchivedJob).where(ArchivedJob.job_id.in_(whole)).values(removed_at=now)
        )


def _covers(part: ArchivedPart | None, due: Due) -> bool:
    """Tell whether a part has all that there is now, in a bundle where it has to be."""
    return (
        part is not None
        and (part.bundle_id is not None or not due.rule.is_archived)
        and due.job.sizes[part.kind] <= part.size
    )


_NOTE_JOBS = text("""
INSERT INTO archived_job (job_id, name, submitter_id, audience_id, device_type, outcome, error_type,
                          submitted_at, ended_at)
SELECT id, name, submitter_id, audience_id, device_type, outcome, error_type, submitted_at, ended_at
  FROM job WHERE id = ANY (CAST(:jobs AS bigint[]))
    ON CONFLICT (job_id) DO UPDATE
   SET audience_id = excluded.audience_id, outcome = excluded.outcome, removed_at = NULL
""")
