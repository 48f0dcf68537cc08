"""Web sockets and server-sent events in this process: who may no longer follow, and who is too slow."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.services import tickets, tokens, transitions
from labq.services.lab_events import HostChanged, LabEvent
from labq.services.occurrences import EVENT_CHANNEL, Occurrence, Topic, dump
from labq.services.tickets import Ticket
from labq.services.visibility import Viewer
from labq.stream import websocket
from labq.stream.app import make_app
from labq.stream.telling import Telling
from labq.stream.websocket import SocketFollower
from tests.integration.web_site import Person, Site

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIMIT_SECONDS = 20.0


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Give the address of a stream application."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene()

    asyncio.run(bounded())


def happens(site: Site) -> None:
    """Tell that a host has gone."""
    one = Occurrence(topic=Topic.HOST, at=NOW, subject="rack", state="offline", health="active")
    with Session(site.engine) as session, session.begin():
        transitions.tell_all(session, [(EVENT_CHANNEL, dump(one))])


async def frame(socket: aiohttp.ClientWebSocketResponse) -> object:
    """Return what the next frame says."""
    return json.loads(await socket.receive_str())


def test_a_revoked_token_ends_the_telling(
    site: Site, settings: Settings, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic = "Basic " + base64.b64encode(f"ann:{ann.token}".encode()).decode()
    monkeypatch.setattr(websocket, "LOOK_AGAIN_SECONDS", 0.05)
    quiet = settings.model_copy(update={"event_port": 0})

    async def scene() -> None:
        async with (
            serving(make_app(quiet, site.engine)) as url,
            aiohttp.ClientSession() as client,
            client.ws_connect(f"{url}/ws/", headers={"Authorization": basic}) as socket,
        ):
            found = await heard(socket, lambda: happens(site))
            assert json.loads(found[4])["hostname"] == "rack"
            with Session(site.engine) as session, session.begin():
                (token,) = tokens.find_all(session, ann.id)
                tokens.revoke(session, Viewer(user_id=ann.id), token.id)
            told = await frame(socket)
            while isinstance(told, list):
                told = await frame(socket)
            assert told == {"error": "the token is unknown, expired or revoked"}
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE

    run(scene)


def test_people_follow_devices_and_hosts_as_server_sent_events(
    site: Site, settings: Settings
) -> None:
    quiet = settings.model_copy(update={"event_port": 0})
    ticket = Ticket(subject=tickets.EVENTS, user_id=None, origin="http://lab.example")
    values = {"ticket": tickets.issue(settings.secret_key, ticket)}

    async def scene() -> None:
        async with (
            serving(make_app(quiet, site.engine)) as url,
            aiohttp.ClientSession() as client,
            client.get(f"{url}/events", params=values) as answer,
        ):
            lines: list[str] = []
            while "event: host" not in lines:
                happens(site)
                lines.append((await answer.content.readline()).decode().strip())
            data = (await answer.content.readline()).decode().removeprefix("data: ")
            assert json.loads(data) == {"host": "rack", "state": "offline", "health": "active"}

    run(scene)


async def heard(socket: aiohttp.ClientWebSocketResponse, act: Callable[[], None]) -> list[str]:
    """Return the first event; what happens before a follower has joined it is not told."""
    receiving = asyncio.ensure_future(frame(socket))
    while not receiving.done():
        act()
        await asyncio.wait([receiving], timeout=0.1)
    found = receiving.result()
    assert isinstance(found, list)
    return found


def test_one_who_takes_no_event_is_behind_and_holds_no_more_than_a_bounded_number() -> None:
    async def scene() -> None:
        slow, quick = SocketFollower(Viewer()), SocketFollower(Viewer())
        told = Telling(
            LabEvent(NOW, HostChanged(host="rack", state="online", health="active")), "org"
        )
        for _ in range(1001):
            slow.hear(told)
        quick.hear(told)
        assert (slow.waiting.is_behind, quick.waiting.is_behind) == (True, False)
        assert len(slow.waiting.take()) == 1000
        assert quick.waiting.take() == [told.text.encode()]

    run(scene)
