"""Each request as the ledger sees it: around the whole application, and with the names Flask knows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import redis
from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine

from labq import statsd
from labq.config import Settings
from labq.domain.errors import ConflictError, InvalidInputError, Problem
from labq.metrics.ledger import listening
from labq.metrics.ledger.courier import Courier
from labq.metrics.ledger.gathering import Gathering
from labq.metrics.ledger.ledger import Ledger, bounds_of
from labq.metrics.ledger.masking import masked_query
from labq.metrics.ledger.profiling import Profiler
from labq.metrics.ledger.records import ProfileRow
from labq.metrics.ledger.watcher import Watcher
from labq.metrics.ledger.work import REQUEST, Request
from labq.services.database import session_factory
from labq.services.visibility import ANONYMOUS, Viewer
from labq.web import auth
from labq.web.endpoint import Level

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROFILE_HEADER = "Labq-Profile"
PROFILE_PARAMETER = "_profile"
REQUEST_HEADER = "Labq-Request"
REDIS_SECONDS = 0.5
_KEY = "labq.observer"
_ASKED = "labq.profile"
_UNKNOWN = "unknown"


class Observer:
    """The ledger of one application, and what shows it."""

    def __init__(self, settings: Settings, database: Engine, inner: WSGIApplication) -> None:
        self.ledger = Ledger("web", bounds_of(settings))
        self.redis = redis.Redis.from_url(
            settings.redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )
        self.gathering = Gathering(self.ledger, self.redis, settings.secret_key)
        self._inner = inner
        self._sessions = session_factory(database)
        self._profiler = Profiler()
        self._watcher = Watcher(self.ledger)
        self._courier = Courier(self.ledger, settings, database)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request within the ledger."""
        _take_parameter(environ)
        query = environ.get("QUERY_STRING", "")
        work = Request(
            name=_UNKNOWN,
            keeper=self.ledger,
            id=secrets.token_hex(8),
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO", "")[:300],
            query=masked_query(query) if query else "",
            limit=self.ledger.bounds.request_limit,
        )
        token = REQUEST.set(work)
        self.ledger.begin(work)
        try:
            return self._inner(environ, start_response)
        finally:
            REQUEST.reset(token)
            self._profiler.stop_for(work.id)
            self.ledger.end_request(work)

    def start(self) -> None:
        """Start the threads of this process; they are never started before a fork."""
        listening.keep(self.ledger)
        self._watcher.start()
        self._courier.start()

    def stop(self) -> None:
        """Carry all that is there, and end the threads."""
        listening.keep(None)
        self._watcher.stop()
        self._courier.stop()

    def carry(self) -> None:
        """Carry now what is new."""
        self._courier.carry(is_last=True)

    def name_request(self) -> None:
        """Note which endpoint was asked for, and begin the profile that was asked for."""
        work = REQUEST.get()
        if work is None:
            return
        work.name = ".".join(map(statsd.segment, (request.endpoint or _UNKNOWN).split(".")))
        if request.headers.get(PROFILE_HEADER) or request.environ.get(_ASKED):
            self._begin_profile(work)

    def note_answer(self, response: Response) -> Response:
        """Note who asked and what the answer is."""
        work = REQUEST.get()
        if work is None:
            return response
        viewer: Viewer = g.get("viewer", ANONYMOUS)
        work.user, work.status = viewer.name, response.status_code
        work.size = _size(response)
        if work.profile:
            text = self._profiler.stop_for(work.id)
            self.ledger.keep_profile(_profile(self.ledger, work, text))
            response.headers[PROFILE_HEADER] = work.profile
        response.headers[REQUEST_HEADER] = work.id
        return response

    def _begin_profile(self, work: Request) -> None:
        if request.method != "GET":
            problem = Problem(PROFILE_HEADER, f"a {request.method} is not profiled: only GET is")
            raise InvalidInputError([problem])
        with self._sessions.begin() as session:
            auth.require(Level.ADMIN, auth.authenticate(session, datetime.now(UTC)))
        self._profiler.start_for(work.id)
        work.profile = secrets.token_hex(8)


def install(app: Flask, settings: Settings, database: Engine) -> None:
    """Observe all requests of an application, unless that is switched off (LABQ_OPS)."""
    if not settings.ops:
        return
    listening.attach()
    observer = Observer(settings, database, app.wsgi_app)
    app.extensions[_KEY] = observer
    app.wsgi_app = observer  # type: ignore[method-assign]  # Flask's documented way
    app.before_request(observer.name_request)
    app.after_request(observer.note_answer)


@contextmanager
def at_work(app: Flask) -> Iterator[None]:
    """Let the threads of an application's observer run within the block."""
    observer = observer_of(app)
    if observer is None:
        yield
        return
    observer.start()
    try:
        yield
    finally:
        observer.stop()


def observer_of(app: Flask) -> Observer | None:
    """Return what observes an application, None where that is switched off."""
    found: Observer | None = app.extensions.get(_KEY)
    return found


def current() -> Observer:
    """Return what observes the present request; raises ConflictError where it is switched off."""
    found = observer_of(current_app)
    if found is None:
        raise ConflictError("nothing is recorded: LABQ_OPS is off")
    return found


def request_id() -> str:
    """Return the id of the present request, as the log and the ledger have it."""
    work = REQUEST.get()
    return work.id if work is not None else secrets.token_hex(8)


def name_call(name: str) -> None:
    """Note what was asked for at an address that many things are asked for at."""
    work = REQUEST.get()
    if work is not None:
        work.name = ".".join(map(statsd.segment, name.split(".")))


def _take_parameter(environ: WSGIEnvironment) -> None:
    """Take the parameter that asks for a profile out of the query: endpoints refuse unknown ones."""
    query = environ.get("QUERY_STRING", "")
    if PROFILE_PARAMETER not in query:
        return
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != PROFILE_PARAMETER]
    environ[_ASKED] = len(kept) < len(pairs)
    environ["QUERY_STRING"] = urlencode(kept)


def _size(response: Response) -> int | None:
    """Return the length of an answer, without making one at once of what comes in pieces."""
    told = response.headers.get("Content-Length", type=int)
    if told is None and isinstance(response.response, list):
        return sum(map(len, response.response))
    return told


def _profile(ledger: Ledger, work: Request, text: str) -> ProfileRow:
    now = datetime.now(UTC)
    return ProfileRow(
        id=work.profile,
        process=ledger.process,
        at=now,
        endpoint=work.name,
        path=f"{work.path}?{work.query}" if work.query else work.path,
        user=work.user,
        ms=(now.timestamp() - work.at) * 1000,
        text=text,
    )
