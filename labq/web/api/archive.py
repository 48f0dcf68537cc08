"""The archive: its bundles, the jobs in it, and how they come back."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from pydantic import Field, TypeAdapter

from labq.domain.errors import NotFoundError
from labq.services.archive import view
from labq.services.archive.pack import Blobs, log_member
from labq.services.archive.store import Store, open_store
from labq.services.archive.view import ArchivedJobDetail, ArchivedJobView, BundleView, Source
from labq.services.database import Role, make_engine, session_factory
from labq.services.paging import LARGEST_ID, Page
from labq.services.retention.restore import Restored, Restorer
from labq.services.transitions import By
from labq.services.visibility import Viewer
from labq.web import auth, csrf
from labq.web.endpoint import JSON, TEXT, Call, Endpoint, Level, UploadCall
from labq.web.parsing import Input, PageQuery

_BLOCK = 256 * 1024
_RESTORED = TypeAdapter(Restored)


class LogQuery(Input):
    """Which run's log."""

    run: int | None = Field(
        default=None, ge=1, le=LARGEST_ID, description="the id of a run; the last by default"
    )


def bundles(call: Call, query: PageQuery) -> Page[BundleView]:
    """List bundles."""
    return view.find_bundles(call.session, after=query.after, limit=query.limit)


def jobs(call: Call, query: PageQuery) -> Page[ArchivedJobView]:
    """List archived jobs."""
    return view.find_jobs(call.session, call.viewer, after=query.after, limit=query.limit)


def show(call: Call, job: int) -> ArchivedJobDetail:
    """Show an archived job."""
    return view.read_detail(call.session, call.viewer, open_store(call.settings), job)


def log(call: Call, job: int, query: LogQuery) -> Response:
    """Return an archived log."""
    view.find_job(call.session, call.viewer, job)
    store = open_store(call.settings)
    for source in view.find_sources(call.session, job, is_removed=False):
        if name := _find_log(store, source, job, query.run):
            return Response(_log(store, source, job, name), content_type=f"{TEXT}; charset=utf-8")
    raise NotFoundError(f"no such log of job {job} is archived")


def restore(call: UploadCall, job: int) -> Response:
    """Bring a job back; the files of a bundle are read while no transaction is open."""
    if not auth.has_token() and auth.session_secret():
        csrf.check()
    with call.sessions.begin() as session:
        viewer = auth.authenticate(session, call.now)
    auth.require(Level.ADMIN, viewer)
    done = _restore(call, viewer, job)
    return Response(_RESTORED.dump_json(done), content_type=JSON)


def _restore(call: UploadCall, viewer: Viewer, job: int) -> Restored:
    """Restore as the owner of the tables: the month's partitions may have to be made anew."""
    settings = call.settings
    engine = make_engine(settings.conductor_database, Role.CORE, application="labq restore")
    try:
        restorer = Restorer(
            session_factory(engine),
            open_store(settings),
            Blobs.below(settings.blobs),
            lambda: call.now,
        )
        return restorer.restore(viewer, job, By(viewer.name, call.now))
    finally:
        engine.dispose()


def _find_log(store: Store, source: Source, job: int, run: int | None) -> str | None:
    """Return the member with the log of a run, or of the last one."""
    with view.opened(store, source, job) as members:
        names = [one.name for one, _ in members if one.name.endswith(".log")]
    if run is not None:
        return next((name for name in names if name == log_member(job, run)), None)
    return names[-1] if names else None


def _log(store: Store, source: Source, job: int, name: str) -> Iterator[bytes]:
    with view.opened(store, source, job) as members:
        for one, file in members:
            while one.name == name and (block := file.read(_BLOCK)):
                yield block


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/archive/bundles",
        summary="List the files of the archive, the newest first",
        run=bundles,
        level=Level.ADMIN,
        query=PageQuery,
        answer=Page[BundleView],
    ),
    Endpoint(
        method="GET",
        path="/archive/jobs",
        summary="List jobs that are in the archive only, as far as the caller may see them",
        run=jobs,
        query=PageQuery,
        answer=Page[ArchivedJobView],
    ),
    Endpoint(
        method="GET",
        path="/archive/jobs/<id:job>",
        summary="Show what is archived of a job: its rows, the names of its files, its bundles",
        run=show,
        answer=ArchivedJobDetail,
    ),
    Endpoint(
        method="GET",
        path="/archive/jobs/<id:job>/log",
        summary="Return the archived log of a job",
        run=log,
        query=LogQuery,
        media=(TEXT,),
    ),
    Endpoint(
        method="POST",
        path="/archive/jobs/<id:job>/restore",
        summary="Bring a job back under its ids, pinned, or what is missing of one that is there",
        run=restore,
        level=Level.ADMIN,
        answer=Restored,
        is_upload=True,
    ),
)
