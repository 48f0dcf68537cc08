"""Brings a job back from the archive, under its ids: all that retention removed of it, or nothing.

Files are written first, noted as doomed until the transaction that brings the rows back spares them:
what a crash leaves is swept away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.errors import ConflictError
from labq.domain.retention import Kind
from labq.models.control import Audit
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.retention import ArchivedJob, ArchivedPart
from labq.services import partitions, rollups
from labq.services.archive import rows, view
from labq.services.archive.pack import FILE_KINDS, Blobs, file_member, log_member, member
from labq.services.archive.store import Store
from labq.services.archive.view import ArchivedJobView, Source
from labq.services.retention import blobs as doomed
from labq.services.retention import marks, months, pins
from labq.services.retention.blobs import LOG, Blob
from labq.services.transitions import By
from labq.services.visibility import Viewer

ORDER = (Kind.JOBS, Kind.PLANS, Kind.RESULTS, Kind.LOGS, Kind.CONSOLE, Kind.ARTIFACTS)
"""In which kinds go back: rows after those they refer to."""
LONGEST = timedelta(hours=1)
"""After which files of a restore that did not end are swept away."""
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back. The job is pinned: retention has it again once it is unpinned."""

    job: int
    kinds: tuple[Kind, ...]
    bundles: tuple[str, ...]


@dataclass(slots=True)
class _Content:
    """What the bundles have of a job: rows by kind, files by the name of their member."""

    rows: dict[Kind, rows.Rows] = field(default_factory=dict)
    files: dict[str, Blob] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores jobs; makes its own transactions, so that files and rows come back together."""

    sessions: sessionmaker[Session]
    store: Store
    blobs: Blobs
    clock: Callable[[], datetime]

    def restore(self, viewer: Viewer, job_id: int, by: By) -> Restored:
        """Bring a job back, or what is missing of one that is there.

        Raises NotFoundError for a job that is not archived or hidden, ConflictError when nothing of
        it is missing or its id is taken, and InfrastructureError (DamagedBundleError) when a bundle
        cannot be read: nothing is changed then.
        """
        with self.sessions() as session:
            job = view.find_job(session, viewer, job_id)
            sources = view.find_sources(session, job_id, is_removed=True)
            _check_missing(session, job, sources)
        content = self._read(job, sources)
        self._doom(content)
        try:
            self._write_files(job, sources, content)
            with self.sessions.begin() as session:
                self._bring_back(session, job, content, by)
        except BaseException:
            self._undo(content)
            raise
        return Restored(
            job=job_id,
            kinds=tuple(content.rows),
            bundles=tuple(source.name for source in sources),
        )

    def _read(self, job: ArchivedJobView, sources: list[Source]) -> _Content:
        """Read and check all members of the job, and keep their rows."""
        found: dict[Kind, rows.Rows] = {}
        names: set[str] = set()
        kinds = {member(job.id, kind): kind for kind in Kind}
        for source in sources:
            with view.opened(self.store, source, job.id) as members:
                for one, file in members:
                    if one.name in kinds:
                        found[kinds[one.name]] = rows.load(file.read())
                    names.add(one.name)
        ordered = {kind: found[kind] for kind in ORDER if kind in found}
        return _Content(ordered, _files(job.id, ordered, names))

    def _doom(self, content: _Content) -> None:
        """Note the files to come, after removing what is left of them from before."""
        with self.sessions.begin() as session:
            doomed.doom(session, set(content.files.values()), self.clock())
            doomed.sweep_these(session, self.blobs, set(content.files.values()))
            doomed.doom(session, set(content.files.values()), self.clock() + LONGEST)

    def _write_files(self, job: ArchivedJobView, sources: list[Source], content: _Content) -> None:
        for source in sources:
            with view.opened(self.store, source, job.id) as members:
                for one, file in members:
                    blob = content.files.get(one.name)
                    # An artifact that is there under another name has the same bytes.
                    if blob and (blob[1] == LOG or not self._path(blob).exists()):
                        _write(self._path(blob), file)

    def _path(self, blob: Blob) -> Path:
        run, digest = blob
        if digest == LOG:
            return self.blobs.logs.place(run, is_packed=False)
        return self.blobs.artifacts.path(run, digest)

    def _bring_back(
        self, session: Session, job: ArchivedJobView, content: _Content, by: By
    ) -> None:
        day = day_of(job.submitted_at)
        months.check_kept(session, day.replace(day=1))
        _check_free(session, job, content)
        partitions.ensure(session.connection(), day, day)
        try:
            for found in content.rows.values():
                rows.write(session, _changed(found, content))
        except IntegrityError as error:
            text = str(error.orig).partition("\n")[0]
            raise ConflictError(f"job {job.id} cannot come back as it was: {text}") from error
        if not doomed.spare(session, set(content.files.values())):
            raise ConflictError(f"the restore of job {job.id} took too long: try again")
        _note_back(session, job.id, content, by)

    def _undo(self, content: _Content) -> None:
        """Remove the files at once, unless the rows came back after all; a dump puts that off."""
        with suppress(ConflictError), self.sessions.begin() as session:
            doomed.sweep_these(session, self.blobs, set(content.files.values()))


def _check_missing(session: Session, job: ArchivedJobView, sources: list[Source]) -> None:
    if job.removed_at is not None and session.get(Job, job.id) is not None:
        raise ConflictError(f"there is another job {job.id}: nothing is restored over it")
    if not sources:
        raise ConflictError(f"nothing of job {job.id} is missing that is archived")


def _files(job: int, found: Mapping[Kind, rows.Rows], names: set[str]) -> dict[str, Blob]:
    """Return the members that are files, with what they are."""
    files: dict[str, Blob] = {}
    for row in found.get(Kind.LOGS, {}).get("run_log", ()):
        files[log_member(job, row["run_id"])] = (row["run_id"], LOG)
    for kind in FILE_KINDS:
        for row in found.get(kind, {}).get("artifact", ()):
            name = file_member(job, kind, row["run_id"], row["digest"])
            files[name] = (row["run_id"], row["digest"])
    return {name: blob for name, blob in files.items() if name in names}


def _write(path: Path, source: BinaryIO) -> None:
    """Write a file and have it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with path.open("wb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_free(session: Session, job: ArchivedJobView, content: _Content) -> None:
    """Raise ConflictError when somebody else restored it, or what it refers to is gone."""
    archived = session.get_one(ArchivedJob, job.id, with_for_update=True, populate_existing=True)
    if archived.removed_at != job.removed_at:
        raise ConflictError(f"job {job.id} was restored by somebody else meanwhile")
    still = select(ArchivedPart.kind).where(
        ArchivedPart.job_id == job.id, ArchivedPart.removed_at.is_not(None)
    )
    if missing := content.rows.keys() - set(session.scalars(still)):
        names = ", ".join(sorted(missing))
        raise ConflictError(f"{names} of job {job.id} were restored by somebody else meanwhile")
    for row in content.rows.get(Kind.JOBS, {}).get("run", ()):
        if session.get(Device, row["device_id"]) is None:
            raise ConflictError(
                f"job {job.id} ran on a device that is gone (id {row['device_id']})"
            )
        if session.get(Host, row["host"]) is None:
            raise ConflictError(f"job {job.id} ran on host {row['host']}, which is gone")


def _changed(found: rows.Rows, content: _Content) -> rows.Rows:
    """Return rows as they go back: logs are plain files again, and lost ones are left out."""
    if "run_log" not in found:
        return found
    kept = {run for run, digest in content.files.values() if digest == LOG}
    logs = [{**row, "is_packed": False} for row in found["run_log"] if row["run_id"] in kept]
    return {**found, "run_log": logs}


def _note_back(session: Session, job_id: int, content: _Content, by: By) -> None:
    """Note that the parts are there again, pin the job, write the audit row."""
    session.execute(
        update(ArchivedPart)
        .where(ArchivedPart.job_id == job_id, ArchivedPart.kind.in_(list(content.rows)))
        .values(removed_at=None)
    )
    session.execute(update(ArchivedJob).where(ArchivedJob.job_id == job_id).values(removed_at=None))
    marks.touch(session, [job_id])
    if Kind.JOBS in content.rows:
        rollups.jobs_restored(session, [job_id])
    job = session.get_one(Job, job_id, with_for_update={"key_share": True})
    pins.add(session, job, By(by.actor, by.at, by.reason or "restored from the archive"))
    row = Audit(
        at=by.at,
        actor=by.actor,
        subject="archived job",
        subject_id=str(job_id),
        before="archived",
        after="restored",
        reason=", ".join(content.rows),
    )
    session.add(row)
