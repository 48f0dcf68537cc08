"""Takes rows away that are archived, or need not be: a batch of jobs in one short transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Delete, delete, select
from sqlalchemy.orm import Session

from labq.domain.retention import Kind
from labq.domain.states import JobState
from labq.models.artifact import Artifact
from labq.models.control import Audit
from labq.models.job import Job
from labq.models.retention import JobPin
from labq.models.run import RunPlan
from labq.services import logs, results, rollups
from labq.services.archive import rows
from labq.services.archive.pack import FILE_KINDS
from labq.services.archive.rows import CONSOLE_NAMES, Scope
from labq.services.retention import blobs, days, marks, parts
from labq.services.retention.blobs import LOG
from labq.services.retention.days import Candidate, Due
from labq.services.retention.runs import Hold


@dataclass(frozen=True, slots=True)
class Removed:
    """What one batch took away."""

    jobs: int = 0
    parts: int = 0
    bytes: int = 0


def remove(
    session: Session, hold: Hold, day: date, due: Sequence[Due], *, now: datetime
) -> Removed:
    """Remove the parts of jobs of one day; what was pinned, or has grown since, stays.

    The caller has called `runs.guard`. Files go after the commit, by `blobs.sweep`.
    """
    wanted = {one.job.id: one.parts for one in due}
    locked = _lock(session, wanted)
    present = days.find_candidates(session, day, locked)
    pending = parts.find_pending(session, locked)
    scopes = rows.scopes(session, locked)
    gone: dict[int, tuple[Kind, ...]] = {}
    size = 0
    for job in locked:
        known = pending.get(job, {})
        ready = {kind: part.size for kind, part in known.items() if part.revision == hold.revision}
        if kinds := _removable(present[job], wanted[job], ready):
            gone[job] = kinds
            size += sum(present[job].sizes.get(kind, 0) for kind in kinds)
    for kind in Kind:
        _take(session, kind, [scopes[job] for job, kinds in gone.items() if kind in kinds], now)
    parts.note_removed(session, gone, now)
    marks.touch(session, [job for job, kinds in gone.items() if Kind.JOBS not in kinds])
    whole = sum(Kind.JOBS in kinds for kinds in gone.values())
    return Removed(jobs=whole, parts=sum(map(len, gone.values())), bytes=size)


def _lock(session: Session, jobs: Collection[int]) -> list[int]:
    """Hold those of the jobs that are finished and not pinned."""
    query = select(Job.id).where(Job.id.in_(jobs), Job.state == JobState.FINISHED)
    found = list(session.scalars(query.order_by(Job.id).with_for_update()))
    # Asked only now that the rows are held: a pin that came first is committed and seen.
    pinned = set(session.scalars(select(JobPin.job_id).where(JobPin.job_id.in_(found))))
    return [job for job in found if job not in pinned]


def _removable(
    job: Candidate, wanted: Collection[Kind], ready: dict[Kind, int]
) -> tuple[Kind, ...]:
    """Return the kinds that may go: with the whole job all there is, or nothing."""
    if job.subject is None:
        return ()
    good = [kind for kind in wanted if kind in ready and job.sizes.get(kind, 0) <= ready[kind]]
    if Kind.JOBS in wanted:
        is_whole = Kind.JOBS in good and job.sizes.keys() <= set(good)
        return tuple(good) if is_whole else ()
    return tuple(good)


def _take(session: Session, kind: Kind, scopes: Sequence[Scope], now: datetime) -> None:
    """Delete the rows of one kind of jobs' data, and doom their files."""
    if not scopes:
        return
    runs = [(run, scope.day) for scope in scopes for run in scope.runs]
    if kind in FILE_KINDS:
        _take_files(session, kind, [run for run, _ in runs], now)
    elif kind is Kind.LOGS:
        logs.delete_of(session, runs)
        blobs.doom(session, [(run, LOG) for run, _ in runs], now)
    elif kind is Kind.PLANS:
        _delete(session, delete(RunPlan).where(RunPlan.run_id.in_([run for run, _ in runs])))
    elif kind is Kind.RESULTS:
        results.delete_of(session, [(scope.job, scope.day) for scope in scopes])
    else:
        _take_jobs(session, scopes)


def _take_files(session: Session, kind: Kind, runs: Collection[int], now: datetime) -> None:
    is_console = Artifact.name.like(CONSOLE_NAMES)
    gone = (
        delete(Artifact)
        .where(Artifact.run_id.in_(runs), is_console if kind is Kind.CONSOLE else ~is_console)
        .returning(Artifact.run_id, Artifact.digest)
        .execution_options(synchronize_session=False)
    )
    # One that another name has as well is named still: the sweep leaves it alone.
    blobs.doom(session, {(run, digest) for run, digest in session.execute(gone)}, now)


def _take_jobs(session: Session, scopes: Sequence[Scope]) -> None:
    for scope in scopes:
        _delete(session, delete(Audit).where(rows.moves_of(scope)))
    jobs = [scope.job for scope in scopes]
    rollups.jobs_deleted(session, jobs)
    _delete(session, delete(Job).where(Job.id.in_(jobs)))


def _delete(session: Session, statement: Delete) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
