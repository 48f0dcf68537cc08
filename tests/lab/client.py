"""A small client of `/api/v1` over one kept connection: cheap enough to drive benchmarks."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.lab.waiting import until

FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body parsed."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Return the body decoded."""
        return self.body.decode(errors="replace")


class Client:
    """One connection to a server; not for several threads at once."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._link: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        tries: int = 2,
    ) -> Answer:
        """Send one request; a kept connection that the server has closed is opened again."""
        for attempt in range(tries):
            try:
                return self._ask(method, path, body, {**self._headers, **(headers or {})})
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if attempt + 1 == tries:
                    raise
        raise AssertionError("unreachable")

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        link = self._link or self._connect()
        link.request(method, path, body, dict(headers))
        response = link.getresponse()
        return Answer(response.status, response.headers, response.read())

    def _connect(self) -> http.client.HTTPConnection:
        self._link = http.client.HTTPConnection(self._host, self._port, timeout=60)
        self._link.connect()
        self._link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._link

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def get(self, path: str, **query: object) -> Answer:
        """GET below `/api/v1`."""
        return self.ask("GET", f"/api/v1{path}" + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, value: object = None) -> Answer:
        """POST JSON below `/api/v1`."""
        body = b"{}" if value is None else json.dumps(value).encode()
        return self.ask("POST", f"/api/v1{path}", body, {"Content-Type": "application/json"})

    def submit(self, definition: str) -> int:
        """Submit a job and return its id."""
        answer = self.post("/jobs", {"definition": definition})
        assert answer.status == 201, answer.text
        job: int = answer.json["id"]
        return job

    def job(self, job: int) -> dict[str, Any]:
        """Return what the server shows of a job."""
        answer = self.get(f"/jobs/{job}")
        assert answer.status == 200, answer.text
        shown: dict[str, Any] = answer.json
        return shown

    def wait_for(self, job: int, state: str, seconds: float = 120) -> dict[str, Any]:
        """Return the job once it has the state; a job that is over is in no other state later."""

        def reached() -> dict[str, Any] | None:
            shown = self.job(job)
            assert shown["state"] in (state, *_before(state)), shown
            return shown if shown["state"] == state else None

        return until(reached, f"job {job} is {state}", seconds)

    def finish(self, job: int, seconds: float = 120) -> dict[str, Any]:
        """Return the job once it is over."""
        return self.wait_for(job, FINISHED, seconds)

    def run(self, definition: str, seconds: float = 120) -> dict[str, Any]:
        """Submit a job and return it once it is over."""
        return self.finish(self.submit(definition), seconds)

    def stored(self, job: int) -> bytes:
        """Return what is stored of a job's log at this moment, raw."""
        answer = self.get(f"/jobs/{job}/log/raw")
        assert answer.status == 200, answer.text
        return answer.body

    def log(self, job: int) -> bytes:
        """Return the log of a job that has ended, raw, once all of it is stored."""

        def is_complete() -> bool:
            answer = self.get(f"/jobs/{job}/log", offset=0, limit=1)
            return answer.headers["Labq-Log-Complete"] == "true"

        until(is_complete, f"the log of job {job} is complete")
        return self.stored(job)

    def lines(self, job: int) -> list[dict[str, Any]]:
        """Return the log's lines, parsed."""
        return list(_parse(self.log(job)))

    def results(self, job: int) -> list[dict[str, Any]]:
        """Return the test cases of a job."""
        answer = self.get(f"/jobs/{job}/results")
        assert answer.status == 200, answer.text
        cases: list[dict[str, Any]] = answer.json
        return cases

    def device(self, name: str) -> dict[str, Any]:
        """Return what the server shows of a device."""
        answer = self.get(f"/devices/{name}")
        assert answer.status == 200, answer.text
        shown: dict[str, Any] = answer.json["device"]
        return shown


def _before(state: str) -> tuple[str, ...]:
    order = ("submitted", "scheduled", "running", "canceling", FINISHED)
    return order[: order.index(state)]


def _parse(log: bytes) -> Iterator[dict[str, Any]]:
    for line in log.decode().splitlines():
        yield json.loads(line.removeprefix("- "))
