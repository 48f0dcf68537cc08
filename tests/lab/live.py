"""Follows a job's live log as a browser does: a redirect, then server-sent events."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.lab.client import Client
from tests.lab.server import Server

SILENCE_SECONDS = 120.0


def follow(server: Server, job: int) -> Iterator[tuple[float, Any]]:
    """Yield (wall time of arrival, message) of each log line until the log has ended."""
    for arrived, event, data in _events(_address(server, job)):
        if event == "end":
            return
        if event == "lines":
            for record in json.loads("\n".join(data)):
                yield arrived, record["msg"]


def _address(server: Server, job: int) -> str:
    client = Client(server.url, server.token)
    answer = client.get(f"/jobs/{job}/log/live")
    client.close()
    assert answer.status == 307, answer.text
    return answer.headers["Location"]


def _events(address: str) -> Iterator[tuple[float, str, list[str]]]:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SILENCE_SECONDS)
    link.request("GET", f"{parts.path}?{parts.query}", headers={"Accept": "text/event-stream"})
    response = link.getresponse()
    assert response.status == 200, response.read()
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
    link.close()
