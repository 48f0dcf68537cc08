"""A file server on 127.0.0.1 that can also misbehave: what jobs of tests download from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

BLOCK = b"\0" * 65536
GATE_SECONDS = 120.0


@dataclass(slots=True)
class Gates:
    """Requests of `/gated/<name>` wait until the name is opened; `asked` counts them."""

    opened: dict[str, threading.Event] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def open(self, name: str) -> None:
        """Let the requests for a file through, those that wait and those that come."""
        self._event(name).set()

    def wait(self, name: str) -> None:
        """Count a request and hold it until its gate opens."""
        self.asked[name] = self.asked.get(name, 0) + 1
        self._event(name).wait(GATE_SECONDS)

    def _event(self, name: str) -> threading.Event:
        return self.opened.setdefault(name, threading.Event())


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and below `/fault/` what a broken server would send."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, gates: Gates, directory: str) -> None:
        self.gates = gates
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]  # as the server calls it

    @override
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/fault/"):
            with suppress(ConnectionError):
                self._misbehave(parts.path.removeprefix("/fault/"), parse_qs(parts.query))
            return
        if parts.path.startswith("/gated/"):
            name = parts.path.removeprefix("/gated/")
            self.gates.wait(name)
            self.path = f"/{name}"
        with suppress(ConnectionError):
            super().do_GET()

    def _misbehave(self, fault: str, query: dict[str, list[str]]) -> None:
        self.close_connection = True
        if fault == "loop":
            self._head(302, {"Location": self.path, "Content-Length": "0"})
        elif fault == "truncated":
            self._head(200, {"Content-Length": "100000"})
            self.wfile.write(b"x" * 1000)
        elif fault == "endless":
            self._head(200, {})
            while True:
                self.wfile.write(BLOCK)
        else:
            self._head(int(query.get("status", ["500"])[0]), {"Content-Length": "0"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        return


@dataclass(frozen=True, slots=True)
class FileServer:
    """A running server: what lies in `folder` is at `url/<name>`."""

    url: str
    folder: Path
    gates: Gates

    def add(self, name: str, data: bytes) -> str:
        """Put a file into the folder and return its URL."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{self.url}/{name}"

    def link(self, name: str, source: Path) -> str:
        """Serve a file that lies elsewhere and return its URL."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(source)
        return f"{self.url}/{name}"

    def gated(self, name: str) -> str:
        """Return the URL of a file whose requests wait for its gate."""
        return f"{self.url}/gated/{name}"

    def fault(self, name: str) -> str:
        """Return the URL of a fault: loop, truncated, endless or status?status=N."""
        return f"{self.url}/fault/{name}"


@contextmanager
def serve(folder: Path) -> Iterator[FileServer]:
    """Serve a folder until the block is left."""
    gates = Gates()
    handler = partial(Handler, gates=gates, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield FileServer(f"http://127.0.0.1:{server.server_address[1]}", folder, gates)
        finally:
            server.shutdown()
            thread.join()
