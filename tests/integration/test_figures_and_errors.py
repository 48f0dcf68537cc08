"""Figures as they arrive at a real UDP socket; errors as they arrive at a real Sentry address."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from labq import statsd
from labq.config import Settings


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        statsd.setup(Settings(statsd_host="127.0.0.1", statsd_port=listening.getsockname()[1]))
        yield listening
        statsd.setup(Settings())


def test_figures_arrive_in_the_statsd_protocol(receiver: socket.socket) -> None:
    statsd.timing("step.boot", 12.5)
    statsd.incr("jobs", 2)
    statsd.gauge("queue", 3)
    received = [receiver.recv(1000).decode() for _ in range(3)]
    assert received == ["labq.step.boot:12.500000|ms", "labq.jobs:2|c", "labq.queue:3|g"]


def test_a_timer_sends_also_when_its_block_raises(receiver: socket.socket) -> None:
    with pytest.raises(KeyError), statsd.timer("block"):
        raise KeyError
    assert receiver.recv(1000).startswith(b"labq.block:")


def test_an_unknown_statsd_host_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        statsd.setup(Settings(statsd_host="no.such.host.invalid"))
    statsd.incr("jobs")
    assert "statsd host no.such.host.invalid" in caplog.text


class _Sentry(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 - filled by the handlers of one test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.bodies.append(gzip.decompress(body) if packed else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


FAILING = """
import logging
from labq import config, log
log.setup("web", config.load())
with log.bound(job=5, device="board"):
    try:
        secret = "hunter2"
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("labq").exception("step failed")
"""


def test_an_error_reaches_sentry_with_release_environment_and_tags() -> None:
    with HTTPServer(("127.0.0.1", 0), _Sentry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        subprocess.run(
            [sys.executable, "-c", FAILING],
            env={
                "LABQ_SENTRY_DSN": f"http://key@127.0.0.1:{server.server_port}/1",
                "LABQ_SENTRY_ENVIRONMENT": "staging",
            },
            check=True,
            timeout=60,
        )
        server.shutdown()
    sent = b"".join(_Sentry.bodies)
    event = next(json.loads(line) for line in sent.splitlines() if b'"exception"' in line)
    assert event["release"].startswith("labq@")
    assert event["environment"] == "staging"
    assert {"part": "web", "job": "5", "device": "board"}.items() <= event["tags"].items()
    assert b'"vars"' not in sent


def test_without_a_dsn_sentry_is_not_even_imported() -> None:
    program = (
        "import sys; from labq import config, log; log.setup('web', config.load());"
        "sys.exit('sentry_sdk' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], env={}, check=True, timeout=60)
