"""The aiohttp application: `/jobs/{job}/log` and `/events`, let in by tickets of web, and `/ws/`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.errors import LabqError, NotFoundError, UnauthenticatedError
from labq.services import lab_events, logins, occurrences, tickets
from labq.services.database import session_factory
from labq.services.job_events import Told, find_events
from labq.services.job_log import LogState, find_any_log_state
from labq.services.lab_events import LabEvent
from labq.services.occurrences import EVENT_CHANNEL, Occurrence
from labq.services.tickets import Ticket
from labq.services.transitions import JOB_CHANNEL, LOG_CHANNEL
from labq.services.upgrades import CHANNEL as SYSTEM_CHANNEL
from labq.services.visibility import ANONYMOUS, Viewer
from labq.stream.feeds import Feeds, LogFeed
from labq.stream.hub import Follower, Hub
from labq.stream.listener import Listener
from labq.stream.publisher import Publisher
from labq.stream.sse import Reader, event
from labq.stream.websocket import Sockets

_LOG = logging.getLogger(__name__)
_NET_SECONDS = 10.0
_RETRY_SECONDS = 2
_LONGEST_EVENTS_SECONDS = 3600.0
_LARGEST_OFFSET_DIGITS = 18
_PROBLEM = "application/problem+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Streams:
    """What the handlers share: the database, the feeds and the hub."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._key = settings.secret_key
        self._engine = engine
        self._sessions = session_factory(engine)
        self._feeds = Feeds(Logs(settings.blobs), self._find_state)
        self._hub = Hub(self._find_events, self._find_happened, settings.event_topic)
        self.sockets = Sockets(self._sessions, self._hub)
        self._publisher = _publisher(settings)

    async def log(self, request: web.Request) -> web.StreamResponse:
        """Send a log's lines from an offset on, then `end`."""
        job = int(request.match_info["job"])
        ticket = self._redeem(request, tickets.job_subject(job))
        offset = _offset(request)
        feed = await self._feeds.join(job)
        reader = Reader(request, ticket.origin)
        try:
            await reader.begin()
            await _send_log(reader, feed, offset)
        except TimeoutError:
            await reader.let_go()
        finally:
            self._feeds.leave(feed)
        return reader.response

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send what happens; after an hour the reader comes back with a new ticket."""
        ticket = self._redeem(request, tickets.EVENTS)
        viewer = await asyncio.to_thread(self._viewer, ticket)
        follower = self._hub.join(viewer)
        reader = Reader(request, ticket.origin)
        try:
            await reader.begin()
            await _send_events(reader, follower)
        except TimeoutError:
            await reader.let_go()
        finally:
            self._hub.leave(follower)
        return reader.response

    async def follow_database(self, _app: web.Application) -> AsyncIterator[None]:
        """Listen, and look at everything followed now and then, while the application runs."""
        listener = Listener(
            self._engine,
            (LOG_CHANNEL, JOB_CHANNEL, SYSTEM_CHANNEL, EVENT_CHANNEL),
            on_notify=self._on_notify,
            on_connect=self._on_connect,
        )
        tasks = [asyncio.create_task(listener.run()), asyncio.create_task(self._net())]
        if self._publisher is not None:
            self._hub.add(self._publisher)
            tasks.append(asyncio.create_task(self._publisher.run()))
        yield
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _net(self) -> None:
        while True:
            await asyncio.sleep(_NET_SECONDS)
            self._feeds.refresh_all()

    def _on_connect(self) -> None:
        self._feeds.refresh_all()
        self._hub.tell_gap()

    def _on_notify(self, channel: str, payload: str) -> None:
        if channel == LOG_CHANNEL:
            self._feeds.log_grew(payload)
        elif channel == SYSTEM_CHANNEL:
            self._hub.tell_system()
        elif channel == EVENT_CHANNEL:
            happened = occurrences.load(payload)
            if happened is not None:
                self._hub.happened(happened)
        elif payload.isdigit():
            self._feeds.job_changed(int(payload))
            self._hub.job_changed(int(payload))

    def _redeem(self, request: web.Request, subject: str) -> Ticket:
        return tickets.redeem(self._key, request.query.get("ticket", ""), subject)

    async def _find_state(self, job: int) -> LogState:
        def find() -> LogState:
            with self._sessions() as session:
                return find_any_log_state(session, job, now=datetime.now(UTC))

        return await asyncio.to_thread(find)

    async def _find_events(self, jobs: list[int]) -> list[Told]:
        def find() -> list[Told]:
            with self._sessions() as session:
                return find_events(session, jobs)

        return await asyncio.to_thread(find)

    async def _find_happened(self, happened: list[Occurrence]) -> list[LabEvent]:
        def find() -> list[LabEvent]:
            with self._sessions() as session:
                return lab_events.find(session, happened)

        return await asyncio.to_thread(find)

    def _viewer(self, ticket: Ticket) -> Viewer:
        if ticket.user_id is None:
            return ANONYMOUS
        with self._sessions() as session:
            return logins.find_viewer(session, ticket.user_id)


def make_app(settings: Settings, engine: Engine) -> web.Application:
    """Return the application."""
    streams = Streams(settings, engine)
    app = web.Application(middlewares=[_answer_errors])
    app.cleanup_ctx.append(streams.follow_database)
    app.router.add_get(r"/jobs/{job:\d{1,18}}/log", streams.log)
    app.router.add_get("/events", streams.events)
    for path in ("/ws/", "/ws"):
        app.router.add_get(path, streams.sockets.serve)
    return app


def _publisher(settings: Settings) -> Publisher | None:
    """Return what publishes events; to whom, ZMQ does not know, so they are the public ones."""
    if not settings.event_port:
        return None
    viewer = Viewer(is_admin=True) if settings.event_all else ANONYMOUS
    return Publisher(settings.web_host, settings.event_port, viewer)


async def _send_log(reader: Reader, feed: LogFeed, offset: int) -> None:
    run = feed.state.run_id
    while True:
        # Taken before looking: a change while a frame is written is not missed.
        changed, state = feed.changed, feed.state
        if state.run_id != run:
            # A further run has a log of its own, from its beginning; the first one has just begun.
            if run is not None:
                await reader.write(event("run", str(state.run_id).encode(), "0"))
                offset = 0
            run = state.run_id
        frame = await feed.frame(offset)
        if frame is not None and feed.state.run_id != run:
            continue
        if frame is not None:
            await reader.write(frame.event)
            offset = frame.end
        elif state.is_complete:
            await reader.write(event("end", b"{}", str(offset)))
            return
        else:
            await reader.write_until(changed)


async def _send_events(reader: Reader, follower: Follower) -> None:
    await reader.write(event("ready", b"{}"))
    over = asyncio.get_running_loop().time() + _LONGEST_EVENTS_SECONDS
    while asyncio.get_running_loop().time() < over:
        await reader.write_until(follower.waiting.changed)
        await reader.write(b"".join(follower.waiting.take()))
        if follower.waiting.is_behind:
            await reader.let_go()
            return


def _offset(request: web.Request) -> int:
    """Return where to begin: what a returning reader has seen wins over the address."""
    given = request.headers.get("Last-Event-ID") or request.query.get("offset", "0")
    if not (given.isascii() and given.isdigit()) or len(given) > _LARGEST_OFFSET_DIGITS:
        raise web.HTTPBadRequest(text="offset: not a number of bytes")
    return int(given)


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnauthenticatedError as error:
        return _problem(HTTPStatus.UNAUTHORIZED, str(error))
    except NotFoundError as error:
        return _problem(HTTPStatus.NOT_FOUND, str(error))
    except web.HTTPException as error:
        return _problem(HTTPStatus(error.status), error.text or "")
    except SQLAlchemyError as error:
        _LOG.warning("the database did not answer: %s", error)
        detail = "the database does not answer at the moment"
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    except LabqError:
        _LOG.exception("%s failed", request.path)
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "labq is at fault; its log says more")


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    problem = {"type": "about:blank", "status": status, "title": status.phrase, "detail": detail}
    headers = {"Access-Control-Allow-Origin": "*"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    return web.json_response(problem, status=status, content_type=_PROBLEM, headers=headers)
