"""`/ws/`: events as LAVA's clients follow them, over a web socket."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.errors import UnauthenticatedError
from labq.services import tokens
from labq.services.visibility import ANONYMOUS, Viewer
from labq.stream.hub import Hub, Waiting
from labq.stream.telling import Telling

_LOG = logging.getLogger(__name__)
PING_SECONDS = 30.0
SLOW_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 60.0
"""How long a revoked token or a lost right may go on being told."""
MOST_SOCKETS = 1000
_MOST_RECEIVED_BYTES = 4096
_POLICY = 1008


class SocketFollower:
    """One who follows over a web socket."""

    is_listening = True

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.waiting = Waiting()

    def hear(self, telling: Telling) -> None:
        """Take an event."""
        self.waiting.put(telling.text.encode())


class Sockets:
    """Serves web sockets from the hub."""

    def __init__(self, sessions: sessionmaker[Session], hub: Hub) -> None:
        self._sessions = sessions
        self._hub = hub
        self._count = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Send events until the client goes, is too slow, or may not follow any more."""
        socket = web.WebSocketResponse(
            heartbeat=PING_SECONDS, max_msg_size=_MOST_RECEIVED_BYTES, timeout=SLOW_SECONDS
        )
        await socket.prepare(request)
        self._count += 1
        try:
            await self._follow(request, socket)
        except (ConnectionError, TimeoutError):
            _abort(request)
        finally:
            self._count -= 1
        return socket

    async def _follow(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        if self._count > MOST_SOCKETS:
            await _refuse(socket, "too many follow already: come back later")
            return
        credentials = request.headers.get("Authorization")
        try:
            viewer = await self._viewer(credentials)
        except UnauthenticatedError as error:
            await _refuse(socket, str(error))
            return
        except SQLAlchemyError as error:
            _LOG.warning("the database did not answer: %s", error)
            await _refuse(socket, "the database does not answer at the moment")
            return
        follower = SocketFollower(viewer)
        self._hub.add(follower)
        reading = asyncio.create_task(_read(socket, follower))
        try:
            await self._send(socket, follower, credentials)
        finally:
            self._hub.remove(follower)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _send(
        self, socket: web.WebSocketResponse, follower: SocketFollower, credentials: str | None
    ) -> None:
        """Send what waits; look again now and then who it is that follows."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + LOOK_AGAIN_SECONDS
        while not socket.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await follower.waiting.changed.wait()
            async with asyncio.timeout(SLOW_SECONDS):
                for text in follower.waiting.take():
                    await socket.send_str(text.decode())
            if follower.waiting.is_behind:
                await _refuse(socket, "you are behind: events were dropped, connect again")
                return
            if loop.time() >= look_at:
                look_at = loop.time() + LOOK_AGAIN_SECONDS
                if not await self._is_still_good(socket, follower, credentials):
                    return

    async def _is_still_good(
        self, socket: web.WebSocketResponse, follower: SocketFollower, credentials: str | None
    ) -> bool:
        try:
            follower.viewer = await self._viewer(credentials)
        except UnauthenticatedError as error:
            await _refuse(socket, str(error))
            return False
        except SQLAlchemyError as error:
            # Nothing is told without the database: there is time until it is back.
            _LOG.warning("who follows is not looked up: %s", error)
        return True

    async def _viewer(self, credentials: str | None) -> Viewer:
        if credentials is None:
            return ANONYMOUS
        name, secret = _read_credentials(credentials)

        def find() -> Viewer:
            with self._sessions.begin() as session:
                return tokens.authenticate(session, secret, datetime.now(UTC))

        viewer = await asyncio.to_thread(find)
        if viewer.name != name:
            raise UnauthenticatedError("the token is another user's")
        return viewer


async def _read(socket: web.WebSocketResponse, follower: SocketFollower) -> None:
    """Take what the client sends: answers to pings count, everything else is passed over."""
    async for _message in socket:
        pass
    follower.waiting.changed.set()


async def _refuse(socket: web.WebSocketResponse, why: str) -> None:
    """Say why, in LAVA's form, and close."""
    async with asyncio.timeout(SLOW_SECONDS):
        await socket.send_str(json.dumps({"error": why}))
        await socket.close(code=_POLICY)


def _read_credentials(text: str) -> tuple[str, str]:
    """Return user and token of a header `Authorization: Basic`; raises UnauthenticatedError."""
    scheme, _, encoded = text.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        decoded = ""
    name, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise UnauthenticatedError("send user and token by basic authentication")
    return name, secret


def _abort(request: web.Request) -> None:
    """Cut a connection that takes nothing any more."""
    if request.transport is not None:
        request.transport.abort()
