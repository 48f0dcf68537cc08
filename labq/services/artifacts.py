"""Artifacts of runs: who may send them, what is stored, who sees it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.artifacts import MOST_FILES, check_name
from labq.domain.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
)
from labq.models.artifact import Artifact
from labq.models.job import Job
from labq.models.run import Run
from labq.services import job_view
from labq.services.visibility import Viewer, visible_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A file that a host wants to send; `digest` is its SHA-256 in hexadecimal."""

    run: int
    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be sent, and for how long after the end of a run."""

    file_bytes: int
    run_bytes: int
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactView:
    """One file of a job; `url` is where it is downloaded, below /api/v1."""

    run: int
    run_number: int
    name: str
    bytes: int
    sha256: str
    stored_at: datetime
    url: str


def make_token(secret_key: str, run: int) -> str:
    """Return what lets the host of a run send artifacts of this run, and nothing else."""
    text = f"labq artifacts of run {run}"
    return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def check_token(secret_key: str, run: int, token: str) -> None:
    """Raise UnauthenticatedError for a token that is not the run's."""
    if not hmac.compare_digest(
        make_token(secret_key, run).encode(), token.encode(errors="replace")
    ):
        raise UnauthenticatedError(f"that is not the token of run {run}")


def is_stored(session: Session, offered: Offered, limits: Limits, now: datetime) -> bool:
    """Tell whether the file is there already; raises LabqError when it may not be sent.

    That is: a bad name, an unknown run or one that ended too long ago, a name that another content
    has, too many bytes or files.
    """
    check_name(offered.name)
    if offered.bytes > limits.file_bytes:
        raise TooLargeError(f"an artifact may have {limits.file_bytes} bytes")
    ended = session.execute(select(Run.id, Run.ended_at).where(Run.id == offered.run)).one_or_none()
    if ended is None:
        raise NotFoundError(f"there is no run {offered.run}")
    if ended.ended_at is not None and ended.ended_at < now - timedelta(days=limits.days):
        raise ForbiddenError(f"run {offered.run} ended more than {limits.days:g} days ago")
    known = session.get(Artifact, (offered.run, offered.name))
    if known is None:
        _check_room(session, offered, limits)
        return False
    if known.digest != offered.digest:
        raise ConflictError(f"run {offered.run} has another artifact {offered.name!r}")
    return True


def note(session: Session, offered: Offered, now: datetime) -> None:
    """Store that a file is there; raises ConflictError when its name was taken meanwhile."""
    row = insert(Artifact).values(
        run_id=offered.run,
        name=offered.name,
        bytes=offered.bytes,
        digest=offered.digest,
        stored_at=now,
    )
    session.execute(row.on_conflict_do_nothing())
    stored = session.get_one(Artifact, (offered.run, offered.name))
    if stored.digest != offered.digest:
        raise ConflictError(f"run {offered.run} has another artifact {offered.name!r}")


def find_of_job(session: Session, viewer: Viewer, job: int) -> tuple[ArtifactView, ...]:
    """Return the artifacts of all runs of a job; raises NotFoundError."""
    job_view.require(session, viewer, job)
    rows = session.execute(
        select(Artifact, Run.number)
        .join(Run, Run.id == Artifact.run_id)
        .where(Run.job_id == job)
        .order_by(Run.number, Artifact.name)
    )
    return tuple(_view(artifact, number) for artifact, number in rows)


def find(session: Session, viewer: Viewer, run: int, name: str) -> Artifact:
    """Return one artifact of a run whose job the viewer sees; raises NotFoundError."""
    query = (
        select(Artifact)
        .join(Run, Run.id == Artifact.run_id)
        .join(Job, Job.id == Run.job_id)
        .where(Artifact.run_id == run, Artifact.name == name, visible_jobs(viewer))
    )
    artifact = session.scalar(query)
    if artifact is None:
        raise NotFoundError(f"run {run} has no artifact {name!r}")
    return artifact


def _check_room(session: Session, offered: Offered, limits: Limits) -> None:
    query = select(func.count(), func.coalesce(func.sum(Artifact.bytes), 0))
    count, used = session.execute(query.where(Artifact.run_id == offered.run)).one()
    if used + offered.bytes > limits.run_bytes:
        raise TooLargeError(f"the artifacts of a run may have {limits.run_bytes} bytes in all")
    if count >= MOST_FILES:
        raise TooLargeError(f"a run may have {MOST_FILES} artifacts")


def _view(artifact: Artifact, number: int) -> ArtifactView:
    return ArtifactView(
        run=artifact.run_id,
        run_number=number,
        name=artifact.name,
        bytes=artifact.bytes,
        sha256=artifact.digest,
        stored_at=artifact.stored_at,
        url=f"/runs/{artifact.run_id}/artifacts/{artifact.name}",
    )
