"""The client of `/api/v1`: one method a verb; problem details become one line and an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import httpx

from labq import __version__
from labq.cli.failures import Failed, Unreachable
from labq.cli.output import Progress
from labq.cli.server import Server, find_server

Row = dict[str, Any]  # the parsed edge: what the server answered
SILENCE_SECONDS = 75
TIMEOUT = httpx.Timeout(30, connect=5)
LONG_TIMEOUT = httpx.Timeout(30, connect=5, read=SILENCE_SECONDS)
GATEWAY_ERRORS = (502, 503, 504)


class Refused(Failed):
    """The server answered that it will not or cannot: `status` is HTTP's."""

    def __init__(self, status: int, message: str, facts: Mapping[str, object]) -> None:
        super().__init__(message, facts)
        self.status = status


class Api:
    """One connection to a server; close it by leaving its `with` block."""

    def __init__(self, server: Server) -> None:
        self.server = server
        headers = {"User-Agent": f"labq/{__version__}", "Accept": "application/json"}
        if server.token:
            headers["Authorization"] = f"Token {server.token}"
        self._client = httpx.Client(
            base_url=f"{server.url}/api/v1", headers=headers, timeout=TIMEOUT
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: object) -> Row:
        """Return what the server shows; None values are left out of the query."""
        return self._json("GET", path, params=_present(query))

    def text(self, path: str, **query: object) -> str:
        """Return what the server shows as text."""
        options: Row = {"params": _present(query), "headers": {"Accept": "*/*"}}
        return self._send("GET", path, **options).text

    def header(self, path: str, name: str) -> str:
        """Ask for the header `name: 1` with a GET; return what the answer says under that name."""
        answer = self._send("GET", path, headers={name: "1", "Accept": "*/*"})
        return str(answer.headers.get(name, ""))

    def post(self, path: str, body: object = None) -> Row:
        """Send a JSON body; return the answer ({} for none)."""
        return self._json("POST", path, json={} if body is None else body)

    def put(self, path: str, body: object) -> Row:
        """Replace something; return the answer."""
        return self._json("PUT", path, json=body)

    def patch(self, path: str, body: object) -> Row:
        """Change some fields; return the answer."""
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> Row:
        """Remove something; return the answer."""
        return self._json("DELETE", path)

    def pages(self, path: str, **query: object) -> Iterator[Row]:
        """Yield the items of a list, page after page."""
        after = None
        while True:
            page = self.get(path, **{**query, "after": after})
            yield from page["items"]
            after = page.get("next")
            if after is None:
                return

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], **query: object
    ) -> Iterator[Iterator[str]]:
        """Give the lines of a long answer as they arrive; silence of SILENCE_SECONDS ends it."""
        options: Row = {
            "headers": dict(headers),
            "params": _present(query),
            "timeout": LONG_TIMEOUT,
            "follow_redirects": True,
        }
        with self._told(), self._client.stream("GET", path, **options) as answer:
            if not answer.is_success:
                answer.read()
                raise refusal(answer)
            yield answer.iter_lines()

    def copy(self, path: str, target: BinaryIO) -> None:
        """Write an answer of any size to a file, with progress on a terminal."""
        progress, done = Progress(), 0
        with self._told(), self._client.stream("GET", path, headers={"Accept": "*/*"}) as answer:
            if not answer.is_success:
                answer.read()
                raise refusal(answer)
            for block in answer.iter_bytes():
                target.write(block)
                done += len(block)
                progress.show(f"{done / 1e6:.1f} MB of {_size(answer)}")
        progress.clear()

    def _json(self, method: str, path: str, **options: Any) -> Row:
        answer = self._send(method, path, **options)
        if not answer.content:
            return {}
        try:
            value = answer.json()
        except ValueError as error:
            raise Unreachable(f"{answer.url} is no labq server: {answer.text[:100]!r}") from error
        return value if isinstance(value, dict) else {"items": value}

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._told():
            answer = self._client.request(method, path, **options)
        if not answer.is_success:
            raise refusal(answer)
        return answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unreachable(
                f"can't reach {self.server.url} (from {self.server.origin}): "
                f"{str(error) or type(error).__name__}"
            ) from error


def connect() -> Api:
    """Return a client of the server that this command is to use."""
    return Api(find_server())


def _size(answer: httpx.Response) -> str:
    length = answer.headers.get("Content-Length")
    return f"{int(length) / 1e6:.1f} MB" if length else "an unknown size"


def _present(query: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def refusal(answer: httpx.Response) -> Failed:
    """Return the error that a bad answer says: problem details, or just its status."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
    if answer.status_code in GATEWAY_ERRORS:
        return Unreachable(f"{answer.url.host}: {answer.status_code} {message}")
    errors = problem.get("errors")
    lines = [_line(item) for item in errors] if isinstance(errors, list) else []
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        lines.append("log in with `labq login URL`, or set LABQ_TOKEN")
    facts = {"status": answer.status_code, **problem}
    return Refused(answer.status_code, "\n  ".join([message, *lines]), facts)


def _line(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    line = f" (line {item['line']})" if item.get("line") else ""
    return f"{item.get('path') or 'document'}{line}: {item.get('message')}"


def read_sse(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (event, id, data) of a stream of server-sent events."""
    event, identity, data = "message", "", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            yield event, identity, "\n".join(data)
        if not line:
            event, data = "message", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id":
            identity = value
