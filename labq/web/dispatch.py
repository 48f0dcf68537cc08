"""From a record to a view function: who, what, one transaction, one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, g, redirect, request
from pydantic import TypeAdapter
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.domain.errors import InvalidInputError, Problem, UnauthenticatedError
from labq.services import transitions
from labq.services.database import Role, one_by_one, session_factory
from labq.services.parts import Parts
from labq.services.pools import Pools
from labq.services.visibility import Viewer
from labq.web import auth, csrf, tags
from labq.web.cache import Cache, Epoch
from labq.web.endpoint import HTML, JSON, Call, Endpoint, Level, Page, UploadCall, adapter_of
from labq.web.limits import LIMITED, LoginLimit, RequestLimit
from labq.web.parsing import check_path, parse_body, parse_form, parse_query
from labq.web.reading import Reading
from labq.web.shelf import Shelf
from labq.web.viewers import Viewers

View = Callable[..., AnyResponse]
Answer = TypeVar("Answer")
LOGIN_PATH = "/login"
LARGEST_LIST_BYTES = 4 * 1024 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Something asked for in another way than by an endpoint or a page.

    `name` is what it is limited by; `secret` the credential it came with, and `authenticate` tells
    whose that is. `is_change`: it writes more than when the credential was used.
    """

    name: str
    secret: str | None
    authenticate: Callable[[Session, datetime], Viewer]
    is_change: bool


class Dispatcher:
    """Makes view functions that share settings, pools and cache of one process."""

    def __init__(self, settings: Settings, pools: Pools, epoch: Epoch, rights: Epoch) -> None:
        self._settings = settings
        self._pages = session_factory(pools.page)
        self._sessions = session_factory(pools.api)
        self._login_limit = LoginLimit(settings.redis_url)
        self._limit = RequestLimit(settings)
        self.parts = Parts(self._sessions, settings.redis_url)
        self._epoch, self._rights = epoch, rights
        self._viewers = Viewers(rights)
        self.cache = Cache(epoch)
        self._reading = Reading(settings, pools.api)
        self._shelf = Shelf(self.cache, session_factory(pools.report), is_on=settings.cache)

    def endpoint(self, endpoint: Endpoint) -> View:
        """Return the view of an endpoint."""
        if endpoint.is_upload:
            return self._upload(endpoint)
        adapter = adapter_of(endpoint.answer)

        def view(**path: object) -> AnyResponse:
            check_path(path)
            if not auth.has_token() and auth.session_secret() and request.method not in _SAFE:
                csrf.check()
            self._admit_stranger(endpoint)
            if self._shelf.passes_by(endpoint.name, is_stranger=auth.secret() is None):
                value = self._run(endpoint, path)
            else:
                value = self._shelved(endpoint, path, adapter)
            if isinstance(value, AnyResponse):
                return value
            body = b"" if value is None else _dumped(endpoint, adapter, value)
            return Response(body, endpoint.status, content_type=JSON if body else None)

        return view

    def _shelved(
        self, endpoint: Endpoint, path: Mapping[str, object], adapter: TypeAdapter[Any]
    ) -> Response:
        """Return the answer that all anonymous callers get, from the cache where it is there."""
        asked = _input(endpoint)
        query = asked["query"].model_dump_json() if "query" in asked else ""
        body = self._shelf.answer(
            endpoint.name,
            (*sorted(path.items()), query),
            lambda: _dumped(endpoint, adapter, self._run(endpoint, path)),
        )
        return Response(body, endpoint.status, content_type=JSON)

    def _upload(self, endpoint: Endpoint) -> View:
        """Return the view of an endpoint that has no transaction of its own and checks its token."""

        def view(**path: object) -> AnyResponse:
            check_path(path)
            now = datetime.now(UTC)
            call = UploadCall(sessions=self._sessions, now=now, settings=self._settings)
            answer: AnyResponse = endpoint.run(call, **path)
            return answer

        return view

    def page(self, page: Page) -> View:
        """Return the view of a page."""

        def view(**path: object) -> AnyResponse:
            check_path(path)
            if page.method not in _SAFE:
                csrf.check()
            self._admit_stranger(page)
            value = self._run(page, path)
            if isinstance(value, AnyResponse):
                return value
            return Response(value, content_type=f"{HTML}; charset=utf-8")

        return view

    def authenticate(self, session: Session, now: datetime) -> Viewer:
        """Return who makes the request, by header or cookie; raises UnauthenticatedError."""
        return auth.authenticate(session, now, self._viewers)

    def find_holder(self, session: Session, secret: str, now: datetime) -> Viewer:
        """Return whose token it is; raises UnauthenticatedError."""
        return auth.holder(session, secret, now, self._viewers)

    def call(self, errand: Errand, answer: Callable[[Call], Answer]) -> Answer:
        """Return what `answer` makes of a call in a transaction of its own, after the commit."""
        now = datetime.now(UTC)
        if errand.secret is None:
            self._limit.admit_address(errand.name)
        with self._sessions() as session, session.begin():
            viewer = self._authenticate(
                errand.name, errand.secret, partial(errand.authenticate, session, now)
            )
            value = answer(self._make_call(session, viewer, now, Role.API))
            if errand.is_change:
                transitions.tell_change(session)
        if errand.is_change:
            self._epoch.rise()
            self._rights.rise()
            self._reading.note_write(viewer)
        return value

    def _run(self, record: Endpoint | Page, values: Mapping[str, object]) -> Any:
        """Return what the handler returns, after the commit."""
        now = datetime.now(UTC)
        sessions = self._pages if isinstance(record, Page) else self._sessions
        with sessions() as session, session.begin(), _framed(record, session):
            viewer = self._authenticate(
                record.name,
                auth.secret(),
                partial(auth.authenticate, session, now, self._viewers),
            )
            if isinstance(record, Page) and record.level > Level.ANONYMOUS and viewer.is_anonymous:
                return redirect(f"{LOGIN_PATH}?{urlencode({'next': request.full_path})}")
            auth.require(record.level, viewer)
            answer = partial(self._answer, record, values, viewer, now=now)
            far = self._reading.choose(record, viewer)
            value = answer(session) if far is None else None
            if request.method not in _SAFE:
                transitions.tell_change(session)
        if far is not None:
            value = self._reading.read(far, sessions, answer)
        if request.method not in _SAFE:
            self._epoch.rise()
            self._rights.rise()
            self._reading.note_write(viewer)
        return value

    def _answer(
        self,
        record: Endpoint | Page,
        values: Mapping[str, object],
        viewer: Viewer,
        session: Session,
        *,
        now: datetime,
    ) -> Any:
        """Return what the handler returns, or that what the caller has still holds."""
        role = Role.PAGE if isinstance(record, Page) else Role.API
        call = self._make_call(session, viewer, now, role)
        if tags.still_holds(call, record.name, values):
            return Response(status=HTTPStatus.NOT_MODIFIED)
        return record.run(call, **values, **_input(record))

    def _make_call(self, session: Session, viewer: Viewer, now: datetime, role: Role) -> Call:
        return Call(
            session=session,
            viewer=viewer,
            now=now,
            settings=self._settings,
            login_limit=self._login_limit,
            parts=self.parts,
            shelf=self._shelf,
            replica=self._reading.standing(),
            deadline=Deadline.after(role.value.statement_ms / 1000),
        )

    def _admit_stranger(self, record: Endpoint | Page) -> None:
        """Count a request without credentials before anything is done for it."""
        if auth.secret() is None:
            self._limit.admit_address(record.name)

    def _authenticate(self, name: str, secret: str | None, find: Callable[[], Viewer]) -> Viewer:
        """Return who asks; credentials that are not good count for their address."""
        try:
            viewer = find()
        except UnauthenticatedError:
            self._limit.admit_address(name)
            raise
        g.viewer = viewer
        if secret is not None and not viewer.is_admin:
            if viewer.is_anonymous:
                self._limit.admit_address(name)
            else:
                self._limit.admit_credential(name, secret)
        return viewer


def _framed(record: Endpoint | Page, session: Session) -> AbstractContextManager[None]:
    """Return the block in which a request's statements belong together, or need not."""
    is_one_look = isinstance(record, Endpoint) and record.is_one_look
    return one_by_one(session) if is_one_look else nullcontext()


def _dumped(endpoint: Endpoint, adapter: TypeAdapter[Any], value: object) -> bytes:
    """Return a value as JSON; raises InvalidInputError when it is a list that is too large."""
    body = adapter.dump_json(value)
    if len(body) > LARGEST_LIST_BYTES and endpoint.name in LIMITED:
        message = (
            f"these items make {len(body)} bytes, more than {LARGEST_LIST_BYTES}: ask for fewer"
        )
        raise InvalidInputError([Problem("limit", message)])
    return body


def _input(record: Endpoint | Page) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if record.query is not None:
        values["query"] = parse_query(record.query)
    if isinstance(record, Page):
        if record.form is not None:
            values["form"] = parse_form(record.form)
    elif record.body is not None:
        values["body"] = parse_body(record, record.body)
    return values
