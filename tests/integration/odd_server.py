"""An HTTP server that answers as told: redirects, validators, half bodies, no end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Page:
    """What one path answers. `cut` sends only that many bytes; `endless` never stops."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    cut: int | None = None
    endless: bool = False


class OddServer(ThreadingHTTPServer):
    """Pages by path; `asked` are (path, headers) in order."""

    daemon_threads = True

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Return the root."""
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as the page says."""
        server: Any = self.server
        server.asked.append((self.path, dict(self.headers)))
        page: Page = server.pages.get(self.path, Page(status=404))
        if page.etag and self.headers.get("If-None-Match") == page.etag:
            self._head(304, {"ETag": page.etag}, 0)
            return
        start = self._start(page)
        body = page.body[start:]
        status = 206 if start else page.status
        validators = {"ETag": page.etag} if page.etag else {}
        self._head(status, {**page.headers, **validators}, None if page.endless else len(body))
        self._send(page, body)

    def _start(self, page: Page) -> int:
        wanted = self.headers.get("Range", "")
        if not wanted or self.headers.get("If-Range") != page.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _head(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, page: Page, body: bytes) -> None:
        try:
            while page.endless:
                self.wfile.write(bytes(65536))
            self.wfile.write(body if page.cut is None else body[: page.cut])
        except OSError:
            pass
        self.close_connection = self.close_connection or page.cut is not None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@contextmanager
def odd_server() -> Iterator[OddServer]:
    """Serve while the context is open."""
    server = OddServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
