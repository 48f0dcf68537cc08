"""What is in the archive: bundles for admins, jobs for those who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from labq.domain.errors import ErrorType, NotFoundError, TooLargeError
from labq.domain.retention import Kind
from labq.domain.states import Outcome
from labq.models.job import Job
from labq.models.retention import ArchiveBundle, ArchivedJob, ArchivedPart
from labq.models.user import User
from labq.services import audiences
from labq.services.archive import rows
from labq.services.archive.bundle import BundleReader, DamagedBundleError, Member
from labq.services.archive.pack import member
from labq.services.archive.store import Store
from labq.services.paging import Page, decode_id, page_of
from labq.services.visibility import Viewer

MOST_SHOWN_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleView:
    """A file of the archive with the data of jobs that were submitted on `day`."""

    name: str
    day: date
    jobs: int
    bytes: int
    sha256: str
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPartView:
    """A kind of a job's data: where it is archived (null: nowhere), and when it was removed."""

    kind: Kind
    bundle: str | None
    bytes: int
    removed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedJobView:
    """A job of which something is archived; `removed_at` is null while the job itself is there."""

    id: int
    name: str
    submitter: str
    device_type: str
    outcome: Outcome | None
    error_type: ErrorType | None
    submitted_at: datetime
    ended_at: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedJobDetail:
    """The same with what is archived of it: `tables` has the rows, as they were, by table."""

    job: ArchivedJobView
    parts: tuple[ArchivedPartView, ...]
    files: tuple[str, ...]
    tables: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Source:
    """A bundle with data of a job, and which kinds of it."""

    name: str
    bytes: int
    kinds: frozenset[Kind]


def find_bundles(
    session: Session, *, after: str | None = None, limit: int = 25
) -> Page[BundleView]:
    """Return the bundles, the newest first."""
    query = select(ArchiveBundle).where(ArchiveBundle.written_at.is_not(None))
    if after is not None:
        query = query.where(ArchiveBundle.id < decode_id(after))
    found = list(session.scalars(query.order_by(ArchiveBundle.id.desc()).limit(limit + 1)))
    page = page_of(found, limit, lambda bundle: bundle.id)
    return Page(tuple(_bundle(bundle) for bundle in page.items), page.next)


def find_jobs(
    session: Session, viewer: Viewer, *, after: str | None = None, limit: int = 25
) -> Page[ArchivedJobView]:
    """Return the jobs that are gone as a whole and that the viewer may see, the newest first."""
    is_visible = _is_visible(session, viewer, ArchivedJob.audience_id)
    query = _jobs().where(is_visible, ArchivedJob.removed_at.is_not(None))
    if after is not None:
        query = query.where(ArchivedJob.job_id < decode_id(after))
    found = session.execute(query.order_by(ArchivedJob.job_id.desc()).limit(limit + 1)).all()
    return page_of([_job(job, name) for job, name in found], limit, lambda job: job.id)


def find_job(session: Session, viewer: Viewer, job_id: int) -> ArchivedJobView:
    """Return what is known of an archived job; raises NotFoundError, also for a hidden one.

    While its row is there, that one says who sees it.
    """
    audience = func.coalesce(Job.audience_id, ArchivedJob.audience_id)
    query = _jobs().outerjoin(Job, Job.id == ArchivedJob.job_id)
    row = session.execute(
        query.where(ArchivedJob.job_id == job_id, _is_visible(session, viewer, audience))
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"nothing of a job {job_id} is archived, or you may not see it")
    return _job(*row)


def find_parts(session: Session, job_id: int) -> tuple[ArchivedPartView, ...]:
    """Return what is archived of a job that the caller was let see."""
    query = (
        select(ArchivedPart, ArchiveBundle.name)
        .outerjoin(ArchiveBundle, ArchiveBundle.id == ArchivedPart.bundle_id)
        .where(ArchivedPart.job_id == job_id)
    )
    found = [
        ArchivedPartView(kind=part.kind, bundle=name, bytes=part.size, removed_at=part.removed_at)
        for part, name in session.execute(query)
    ]
    order = list(Kind)
    return tuple(sorted(found, key=lambda part: order.index(part.kind)))


def find_sources(session: Session, job_id: int, *, is_removed: bool) -> list[Source]:
    """Return the bundles to read for a job: all, or those with what was removed."""
    query = (
        select(ArchiveBundle.name, ArchiveBundle.bytes, ArchivedPart.kind)
        .join(ArchivedPart, ArchivedPart.bundle_id == ArchiveBundle.id)
        .where(ArchivedPart.job_id == job_id)
        .order_by(ArchiveBundle.id)
    )
    if is_removed:
        query = query.where(ArchivedPart.removed_at.is_not(None))
    found: dict[tuple[str, int], set[Kind]] = {}
    for name, size, kind in session.execute(query):
        found.setdefault((name, size), set()).add(kind)
    return [Source(name, size, frozenset(kinds)) for (name, size), kinds in found.items()]


def read_detail(session: Session, viewer: Viewer, store: Store, job_id: int) -> ArchivedJobDetail:
    """Return a job with its archived rows; raises NotFoundError, InfrastructureError."""
    job = find_job(session, viewer, job_id)
    tables: dict[str, list[dict[str, Any]]] = {}
    files: list[str] = []
    shown = 0
    for source in find_sources(session, job_id, is_removed=False):
        with opened(store, source, job_id) as members:
            for one, file in members:
                if one.name.endswith(".json"):
                    shown += one.bytes
                    if shown > MOST_SHOWN_BYTES:
                        text = f"job {job_id} has more than {MOST_SHOWN_BYTES} bytes of rows"
                        raise TooLargeError(f"{text}: restore it to look at it")
                    _merge(tables, _shown(rows.load(file.read())))
                else:
                    files.append(one.name)
    parts = find_parts(session, job_id)
    return ArchivedJobDetail(job=job, parts=parts, files=tuple(files), tables=tables)


@contextmanager
def opened(store: Store, source: Source, job: int) -> Iterator[Iterator[tuple[Member, BinaryIO]]]:
    """Give the members of a job in a bundle that belong to the source's kinds.

    Raises InfrastructureError when the bundle is not there, DamagedBundleError when it was cut.
    """
    with store.open(source.name) as file:
        size = file.seek(0, 2)
        if size != source.bytes:
            raise DamagedBundleError(
                f"{source.name} in {store.place} is cut or changed: it ends at byte {size}, "
                f"{source.bytes} were written"
            )
        reader = BundleReader(source.name, file)
        entry = reader.entry(job)
        if entry is None:
            raise DamagedBundleError(f"{source.name} in {store.place} does not have job {job}")
        yield (
            (one, content)
            for one, content in reader.members(entry)
            if _kind_of(job, one.name) in source.kinds
        )


def _kind_of(job: int, name: str) -> Kind | None:
    """Return the kind that a member belongs to."""
    for kind in Kind:
        if name == member(job, kind) or name.startswith(f"jobs/{job}/{kind}/"):
            return kind
    return None


def _jobs() -> Select[ArchivedJob, str]:
    return select(ArchivedJob, User.name).join(User, User.id == ArchivedJob.submitter_id)


def _is_visible(
    session: Session, viewer: Viewer, audience: ColumnElement[int] | InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """Return the condition under which a job is seen, on what stays of it."""
    mine = audiences.find(session, viewer)
    if mine.satisfied is None:
        return true()
    admitted = audience.in_(mine.satisfied)
    if viewer.user_id is None:
        return admitted
    return or_(admitted, ArchivedJob.submitter_id == viewer.user_id)


def _merge(tables: dict[str, list[dict[str, Any]]], more: rows.Rows) -> None:
    for name, found in more.items():
        tables.setdefault(name, []).extend(found)


def _shown(found: rows.Rows) -> rows.Rows:
    """Return rows without what is nobody's business: plans, and what callbacks are sent with."""
    hidden = {"run_plan": {"plan"}, "job_definition": {"notify"}, "delivery": {"target"}}
    return {
        table: [
            {name: value for name, value in row.items() if name not in hidden.get(table, ())}
            for row in lines
        ]
        for table, lines in found.items()
    }


def _bundle(bundle: ArchiveBundle) -> BundleView:
    return BundleView(
        name=bundle.name,
        day=bundle.day,
        jobs=bundle.jobs,
        bytes=bundle.bytes,
        sha256=bundle.sha256,
        written_at=bundle.written_at or bundle.begun_at,
    )


def _job(job: ArchivedJob, submitter: str) -> ArchivedJobView:
    return ArchivedJobView(
        id=job.job_id,
        name=job.name,
        submitter=submitter,
        device_type=job.device_type,
        outcome=job.outcome,
        error_type=job.error_type,
        submitted_at=job.submitted_at,
        ended_at=job.ended_at,
        removed_at=job.removed_at,
    )
