"""Readers that do not keep up are told so and let go; the others never notice."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from aiohttp import web

from labq.domain.states import JobState
from labq.services.job_events import JobEvent, Told
from labq.services.lab_events import LabEvent
from labq.services.occurrences import Occurrence
from labq.services.visibility import ANONYMOUS, EVERYBODY, Rule, Viewer
from labq.stream import sse
from labq.stream.hub import Hub
from labq.stream.sse import Reader, event

BLOCK = event("lines", b"x" * 1_000_000)


def told(job: int, rule: Rule = EVERYBODY) -> Told:
    made = JobEvent(
        id=job,
        name="smoke",
        submitter="ann",
        state=JobState.RUNNING,
        outcome=None,
        device_type="shell",
        device=None,
        device_state=None,
        device_health=None,
    )
    return Told(made, 1, rule)


async def nothing_happened(_asked: list[Occurrence]) -> list[LabEvent]:
    return []


async def serve(port_of: asyncio.Future[int], is_let_go: asyncio.Event) -> web.AppRunner:
    async def handler(request: web.Request) -> web.StreamResponse:
        reader = Reader(request, "http://lab.example")
        await reader.begin()
        try:
            while True:
                await reader.write(BLOCK)
        except TimeoutError:
            await reader.let_go()
            is_let_go.set()
        return reader.response

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port_of.set_result(runner.addresses[0][1])
    return runner


def connect(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


def read_all(client: socket.socket) -> bytes:
    client.settimeout(20)
    data = bytearray()
    while block := client.recv(1 << 20):
        data += block
        if data.endswith(b"\r\n0\r\n\r\n"):
            break
    return bytes(data)


def test_a_reader_that_takes_nothing_is_told_so_when_it_reads_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "SLOW_SECONDS", 0.5)

    async def scene() -> bytes:
        port_of: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        is_let_go = asyncio.Event()
        runner = await serve(port_of, is_let_go)
        client = connect(port_of.result())
        async with asyncio.timeout(20):
            await is_let_go.wait()
        data = await asyncio.to_thread(read_all, client)
        client.close()
        await runner.cleanup()
        return data

    assert b"event: behind\n" in asyncio.run(scene())[-200:]


def test_a_follower_with_too_many_waiting_events_is_behind_alone() -> None:
    async def scene() -> None:
        jobs = [told(number) for number in range(1001)]

        async def find(_wanted: list[int]) -> list[Told]:
            return jobs

        hub = Hub(find, nothing_happened, "org")
        slow, quick = hub.join(ANONYMOUS), hub.join(ANONYMOUS)
        hub.job_changed(1)
        async with asyncio.timeout(10):
            await slow.waiting.changed.wait()
        assert slow.waiting.is_behind
        quick.waiting.take()
        quick.waiting.is_behind = False
        jobs[:] = [told(7)]
        hub.job_changed(7)
        async with asyncio.timeout(10):
            await quick.waiting.changed.wait()
        (piece,) = quick.waiting.take()
        assert json.loads(piece.split(b"data: ")[1])["id"] == 7

    asyncio.run(scene())


def test_changes_within_a_moment_cost_one_query_and_reach_who_may_see() -> None:
    async def scene() -> None:
        queries: list[list[int]] = []

        async def find(wanted: list[int]) -> list[Told]:
            queries.append(wanted)
            return [told(1), told(2, Rule(groups=(5,)))]

        hub = Hub(find, nothing_happened, "org")
        member, stranger = hub.join(Viewer(user_id=9, groups=(5,))), hub.join(ANONYMOUS)
        for job in (2, 1, 2):
            hub.job_changed(job)
        async with asyncio.timeout(10):
            await member.waiting.changed.wait()
        assert queries == [[1, 2]]
        assert len(member.waiting.take()) == 2
        assert len(stranger.waiting.take()) == 1
        hub.leave(member)
        hub.leave(stranger)
        hub.job_changed(3)
        assert len(queries) == 1

    asyncio.run(scene())
