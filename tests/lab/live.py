"""Follows a job's live log as a browser does: a redirect, then server-sent events."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from tests.lab.client import Client
from tests.lab.server import Server

SILENCE_SECONDS = 120.0


def follow(server: Server, job: int) -> Iterator[tuple[float, Any]]:
    """Yield (wall time of arrival, message) of each log line until the log has ended."""
    with closing(_events(_address(server, job))) as events:
        for arrived, event, data in events:
            if event == "end":
                return
            for line in data if event == "lines" else ():
                yield arrived, json.loads(line.removeprefix("- "))["msg"]


def _address(server: Server, job: int) -> str:
    client = Client(server.url, server.token)
    answer = client.get(f"/jobs/{job}/log/live")
    client.close()
    assert answer.status == 307, answer.text
    return answer.headers["Location"]


def _events(address: str) -> Generator[tuple[float, str, list[str]], None, None]:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SILENCE_SECONDS)
    with closing(link):
        link.request("GET", f"{parts.path}?{parts.query}", headers={"Accept": "text/event-stream"})
        with link.getresponse() as response:
            assert response.status == 200, response.read()
            yield from _read(response)


def _read(response: http.client.HTTPResponse) -> Iterator[tuple[float, str, list[str]]]:
    event, data = "message", list[str]()
    arrived = 0.0
    while raw := response.readline():
        line = raw.decode().rstrip("\n")
        name, _, value = line.partition(":")
        if name == "data":
            arrived = arrived or time.clock_gettime(time.CLOCK_REALTIME)
            data.append(value.removeprefix(" "))
        elif name == "event":
            event = value.strip()
        elif not line:
            yield arrived, event, data
            event, data, arrived = "message", [], 0.0
