"""From a record to a view function: who, what, one transaction, one answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, redirect, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from labq import statsd
from labq.config import Settings
from labq.services.database import session_factory
from labq.services.parts import Parts
from labq.services.pools import Pools
from labq.web import auth, csrf
from labq.web.endpoint import HTML, JSON, Call, Endpoint, Level, Page, UploadCall
from labq.web.limits import LoginLimit
from labq.web.parsing import check_path, parse_body, parse_form, parse_query

View = Callable[..., AnyResponse]
LOGIN_PATH = "/login"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Dispatcher:
    """Makes view functions that share the settings and the pool of one process."""

    def __init__(self, settings: Settings, pools: Pools) -> None:
        self._settings = settings
        self._pages = session_factory(pools.page)
        self._sessions = session_factory(pools.api)
        self._login_limit = LoginLimit(settings.redis_url)
        self.parts = Parts(self._sessions, settings.redis_url)

    def endpoint(self, endpoint: Endpoint) -> View:
        """Return the view of an endpoint."""
        if endpoint.is_upload:
            return self._upload(endpoint)
        adapter: TypeAdapter[Any] = TypeAdapter(endpoint.answer)

        def view(**path: object) -> AnyResponse:
            check_path(path)
            if not auth.has_token() and auth.session_secret() and request.method not in _SAFE:
                csrf.check()
            value = self._run(endpoint, path)
            if isinstance(value, AnyResponse):
                return value
            body = b"" if value is None else adapter.dump_json(value)
            return Response(body, endpoint.status, content_type=JSON if body else None)

        return view

    def _upload(self, endpoint: Endpoint) -> View:
        """Return the view of an endpoint that has no transaction of its own and checks its token."""

        def view(**path: object) -> AnyResponse:
            check_path(path)
            now = datetime.now(UTC)
            call = UploadCall(sessions=self._sessions, now=now, settings=self._settings)
            with statsd.timer(f"web.{endpoint.name}"):
                answer: AnyResponse = endpoint.run(call, **path)
                return answer

        return view

    def page(self, page: Page) -> View:
        """Return the view of a page."""

        def view(**path: object) -> AnyResponse:
            check_path(path)
            if page.method not in _SAFE:
                csrf.check()
            value = self._run(page, path)
            if isinstance(value, AnyResponse):
                return value
            return Response(value, content_type=f"{HTML}; charset=utf-8")

        return view

    def _run(self, record: Endpoint | Page, values: dict[str, object]) -> Any:
        """Return what the handler returns, after the commit."""
        now = datetime.now(UTC)
        sessions = self._pages if isinstance(record, Page) else self._sessions
        with (
            statsd.timer(f"web.{record.name}"),
            sessions() as session,
            statsd.timer(f"transaction.{record.name}"),
            session.begin(),
        ):
            viewer = auth.authenticate(session, now)
            g.viewer = viewer
            if isinstance(record, Page) and record.level > Level.ANONYMOUS and viewer.is_anonymous:
                return redirect(f"{LOGIN_PATH}?{urlencode({'next': request.full_path})}")
            auth.require(record.level, viewer)
            call = Call(
                session=session,
                viewer=viewer,
                now=now,
                settings=self._settings,
                login_limit=self._login_limit,
                parts=self.parts,
            )
            return record.run(call, **values, **_input(record))


def _input(record: Endpoint | Page) -> dict[str, object]:
    values: dict[str, object] = {}
    if record.query is not None:
        values["query"] = parse_query(record.query)
    if isinstance(record, Page):
        if record.form is not None:
            values["form"] = parse_form(record.form)
    elif record.body is not None:
        values["body"] = parse_body(record, record.body)
    return values
