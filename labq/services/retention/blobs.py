"""Files that nothing names any more: noted in the transaction that let them go, removed after it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError
from labq.models.artifact import Artifact
from labq.models.retention import DoomedBlob
from labq.models.run import RunLog
from labq.services.archive.pack import Blobs
from labq.services.dump_lock import may_remove

LOG = ""
"""Stands for a run's log in the place of an artifact's digest."""
MOST = 200
Blob = tuple[int, str]


def doom(session: Session, blobs: Collection[Blob], due_at: datetime) -> None:
    """Have files, given as (run, digest), removed from `due_at` on, unless they are named again."""
    if not blobs:
        return
    rows = [{"run_id": run, "digest": digest, "due_at": due_at} for run, digest in sorted(blobs)]
    stored = insert(DoomedBlob).values(rows)
    session.execute(
        stored.on_conflict_do_update(
            index_elements=["run_id", "digest"], set_={"due_at": stored.excluded.due_at}
        )
    )


def spare(session: Session, blobs: Collection[Blob]) -> bool:
    """Let files stay after all; False when one of them is not doomed any more, but removed."""
    if not blobs:
        return True
    keys = tuple_(DoomedBlob.run_id, DoomedBlob.digest)
    gone = session.scalars(
        delete(DoomedBlob).where(keys.in_(list(blobs))).returning(DoomedBlob.run_id)
    )
    return len(gone.all()) == len(set(blobs))


def sweep(session: Session, files: Blobs, now: datetime) -> int:
    """Remove files that are due, and return how many were looked at; those in use are left alone.

    The rows are held meanwhile, so that nobody brings a file back that is being removed. While a dump
    copies files, which may be some of these, none is removed.
    """
    if not may_remove(session):
        return 0
    query = (
        select(DoomedBlob.run_id, DoomedBlob.digest)
        .where(DoomedBlob.due_at <= now)
        .order_by(DoomedBlob.due_at)
        .limit(MOST)
        .with_for_update(skip_locked=True)
    )
    due = [(run, digest) for run, digest in session.execute(query)]
    _remove(session, files, due)
    return len(due)


def sweep_these(session: Session, files: Blobs, blobs: Collection[Blob]) -> None:
    """Remove some doomed files now, due or not; waits for those that others remove.

    Raises ConflictError while a dump copies files.
    """
    if not blobs:
        return
    if not may_remove(session):
        raise ConflictError("files are being removed, or copied by a dump: try again in a while")
    keys = tuple_(DoomedBlob.run_id, DoomedBlob.digest)
    query = select(DoomedBlob.run_id, DoomedBlob.digest).where(keys.in_(list(blobs)))
    held = session.execute(query.order_by(DoomedBlob.run_id, DoomedBlob.digest).with_for_update())
    _remove(session, files, [(run, digest) for run, digest in held])


def _remove(session: Session, files: Blobs, blobs: Collection[Blob]) -> None:
    for run, digest in set(blobs) - _named(session, blobs):
        if digest == LOG:
            files.logs.remove(run)
        else:
            files.artifacts.path(run, digest).unlink(missing_ok=True)
    spare(session, blobs)


def _named(session: Session, blobs: Collection[Blob]) -> set[Blob]:
    """Return those of the files that rows name."""
    artifacts = select(Artifact.run_id, Artifact.digest).where(
        tuple_(Artifact.run_id, Artifact.digest).in_(list(blobs))
    )
    logs = select(RunLog.run_id).where(
        RunLog.run_id.in_([run for run, digest in blobs if digest == LOG])
    )
    found = {(run, digest) for run, digest in session.execute(artifacts)}
    return found | {(run, LOG) for run in session.scalars(logs)}
