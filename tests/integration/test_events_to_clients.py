"""Events as LAVA's clients follow them: web sockets on web's own port, and ZMQ."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import websocket
import zmq
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.domain.states import DeviceHealth, DeviceState, HostHealth
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run
from labq.services import occurrences, transitions
from labq.services.database import Role, make_engine
from labq.services.occurrences import EVENT_CHANNEL, Occurrence, Topic
from labq.services.transitions import By
from labq.supervisor.postgres import Postgres
from labq.web.app import create_app
from tests.integration.web_site import START, Person, Site
from tests.lab.server import free_port

LIMIT_SECONDS = 20.0
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BEACON = "beacon"
PART = "from labq.{part}.serve import main; main()"


@dataclass
class Server:
    """A web and a stream process beside each other, and the database that they share."""

    site: Site
    settings: Settings
    ann: Person
    bob: Person
    opened: ExitStack

    def happens(self, *happened: Occurrence) -> None:
        """Tell of something."""
        with Session(self.site.engine) as session, session.begin():
            messages = [(EVENT_CHANNEL, occurrences.dump(one)) for one in happened]
            transitions.tell_all(session, messages)

    def change(self, act: Callable[[Session], None]) -> None:
        """Do something in a transaction."""
        with Session(self.site.engine) as session, session.begin():
            act(session)

    def job_happens(self, job: int) -> None:
        """Tell of the present state of a job."""
        self.change(lambda one: transitions.tell_of_job(one, one.get_one(Job, job), NOW))


@pytest.fixture(scope="module")
def parts(
    postgres: Postgres,
    migrated_template: str,
    redis_of_session: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Return both processes, running."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create(name, migrated_template)
    settings = Settings(
        state=tmp_path_factory.mktemp("events"),
        database_url=postgres.url(name),
        redis_url=redis_of_session,
        secret_key="test-key",
        web_port=free_port(),
        stream_port=free_port(),
        event_port=free_port(),
        cache=False,
    )
    engine = make_engine(settings.database_url, Role.API)
    site = Site(create_app(settings, engine), engine)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        for part in ("stream", "web"):
            stack.enter_context(_running(settings, part))
        yield Server(site, settings, site.person("ann"), site.person("bob"), ExitStack())


@pytest.fixture
def server(parts: Server) -> Iterator[Server]:
    """Return both processes; what a test opens is closed after it."""
    with ExitStack() as opened:
        parts.opened = opened
        yield parts


class _running:  # noqa: N801 - a context
    """A part of the server in a process of its own, until the end of the block."""

    def __init__(self, settings: Settings, part: str) -> None:
        names = ["state", "database_url", "redis_url", "secret_key"]
        names += ["web_port", "stream_port", "event_port"]
        more = {f"LABQ_{name.upper()}": str(getattr(settings, name)) for name in names}
        self._log = settings.state / f"{part}.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PART.format(part=part)],
                env={**os.environ, **more},
                stderr=output,
            )
        self._line = " on 127.0.0.1:"

    def __enter__(self) -> None:
        limit = time.monotonic() + LIMIT_SECONDS
        while self._line not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < limit, self._log.read_text()
            time.sleep(0.02)

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        assert self._process.wait(15) == 0


Frame = tuple[str, str, str, str, dict[str, Any]]


@dataclass
class Client:
    """One that follows events: `take` returns the five parts of one, None when there is none."""

    take: Callable[[], list[str] | None]
    server: Server

    def join(self) -> None:
        """Return once events arrive."""
        limit = time.monotonic() + LIMIT_SECONDS
        beacon = Occurrence(topic=Topic.HOST, at=NOW, subject=BEACON, state="online", health="x")
        while self.take() is None:
            assert time.monotonic() < limit, "no event arrives"
            self.server.happens(beacon)

    def next(self) -> Frame:
        """Return the next event that is no beacon."""
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit:
            frame = self.take()
            if frame is not None and BEACON not in frame[4]:
                topic, identity, at, user, data = frame
                return topic, identity, at, user, json.loads(data)
        message = "no event arrived"
        raise AssertionError(message)


def follow(server: Server, credentials: str = "") -> Client:
    """Follow by a web socket at web's port."""
    link = _connect(server, credentials)
    link.settimeout(0.2)

    def take() -> list[str] | None:
        try:
            found: list[str] = json.loads(link.recv())
        except websocket.WebSocketTimeoutException:
            return None
        return found

    return _joined(Client(take, server))


def subscribe(server: Server, topic: str = "") -> Client:
    """Follow by ZMQ."""
    context: zmq.Context[Any] = zmq.Context.instance()
    link = context.socket(zmq.SUB)
    server.opened.callback(link.close, linger=0)
    link.setsockopt_string(zmq.SUBSCRIBE, topic)
    link.setsockopt(zmq.RCVTIMEO, 200)
    link.connect(f"tcp://127.0.0.1:{server.settings.event_port}")

    def take() -> list[str] | None:
        try:
            return [part.decode() for part in link.recv_multipart()]
        except zmq.Again:
            return None

    return _joined(Client(take, server))


def _joined(client: Client) -> Client:
    client.join()
    return client


def _connect(server: Server, credentials: str) -> websocket.WebSocket:
    encoded = base64.b64encode(credentials.encode()).decode()
    header = [f"Authorization: Basic {encoded}"] if credentials else []
    url = f"ws://127.0.0.1:{server.settings.web_port}/ws/"
    link = websocket.create_connection(url, header=header, timeout=LIMIT_SECONDS)
    server.opened.callback(link.shutdown)
    return link


def test_everybody_is_told_of_the_jobs_that_they_may_see(server: Server) -> None:
    stranger = follow(server)
    ann = follow(server, f"ann:{server.ann.token}")
    bob = follow(server, f"bob:{server.bob.token}")
    subscriber = subscribe(server)
    public = server.site.job(server.ann)
    hidden = server.site.job(server.ann)
    server.site.hide(hidden)
    for job in (hidden, public):
        server.job_happens(job)
    assert [ann.next()[4]["job"] for _ in range(2)] == [hidden, public]
    frames = [client.next() for client in (stranger, bob, subscriber)]
    assert [frame[4]["job"] for frame in frames] == [public] * 3
    assert frames[0] == frames[2]
    topic, identity, at, user, data = frames[0]
    assert (topic, at, user) == ("org.lavasoftware.testjob", "2026-11-20T12:00:00", "ann")
    assert str(uuid.UUID(identity)) == identity
    assert data == {
        "health": "Unknown",
        "state": "Submitted",
        "job": public,
        "description": "smoke",
        "priority": 50,
        "submit_time": START.isoformat(),
        "submitter": "ann",
        "health_check": False,
        "device_type": "shell",
    }


def test_devices_hosts_and_tests_are_told_of_in_lavas_words(server: Server) -> None:
    client = follow(server)
    device = server.site.device("board-1")
    job, run = server.site.finished_job(server.ann, device)

    def move(session: Session) -> None:
        board, by = session.get_one(Device, device), By("labq", NOW)
        board.run_id = session.get_one(Run, run).id
        transitions.move_device(session, board, DeviceState.RESERVED, by)
        transitions.set_device_health(session, board, DeviceHealth.BAD, by)
        host = session.get_one(Host, "rack")
        transitions.set_host_health(session, host, HostHealth.MAINTENANCE, by)
        transitions.tell_said(session, [(run, "half way")], NOW)

    server.change(move)
    board = {"device": "board-1", "device_type": "shell", "worker": "rack", "state": "Reserved"}
    got = [client.next() for _ in range(4)]
    assert [(frame[0].rpartition(".")[2], frame[3]) for frame in got] == [
        ("device", "lavaserver"),
        ("device", "lavaserver"),
        ("worker", "lavaserver"),
        ("event", "lavaserver"),
    ]
    assert [frame[4] for frame in got] == [
        {**board, "health": "Good", "job": job},
        {**board, "health": "Bad", "job": job},
        {"hostname": "rack", "state": "Online", "health": "Maintenance"},
        {"message": "half way", "job": job},
    ]


def test_a_device_is_told_of_without_a_job_that_is_hidden(server: Server) -> None:
    stranger, ann = follow(server), follow(server, f"ann:{server.ann.token}")
    device = server.site.device("board-2")
    job, run = server.site.finished_job(server.ann, device)
    server.site.hide(job)
    held = Occurrence(
        topic=Topic.DEVICE, at=NOW, subject="board-2", state="running", health="good", run=run
    )
    server.happens(held)
    assert "job" not in stranger.next()[4]
    assert ann.next()[4]["job"] == job


@pytest.mark.parametrize("credentials", ["ann:labq_wrong", "bob:{token}", "ann"])
def test_who_cannot_prove_a_name_is_told_so_and_let_go(server: Server, credentials: str) -> None:
    link = _connect(server, credentials.format(token=server.ann.token))
    assert set(json.loads(link.recv())) == {"error"}
    opcode, _ = link.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE


def test_a_subscriber_gets_the_topics_that_it_asked_for(server: Server) -> None:
    client = subscribe(server, "org.lavasoftware.worker")
    job = server.site.job(server.ann)
    server.job_happens(job)
    server.happens(
        Occurrence(topic=Topic.HOST, at=NOW, subject="rack", state="offline", health="active")
    )
    assert client.next()[4] == {"hostname": "rack", "state": "Offline", "health": "Active"}


def test_without_a_stream_process_the_web_says_where_events_are(site: Site, tmp_path: Path) -> None:
    del tmp_path
    answer = site.client.get("/ws/")
    assert answer.status_code == 503
    assert "reverse proxy" in answer.get_data(as_text=True)
