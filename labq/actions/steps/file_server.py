"""Serves single files of a run over HTTP to its device, each below a random path of its own."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override


class _Handler(BaseHTTPRequestHandler):
    timeout: ClassVar[float | None] = 60

    def __init__(self, files: Mapping[str, Path], *connection: Any) -> None:
        self._files = files
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Send the file that has exactly this path."""
        path = self._files.get(self.path)
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as source:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(source, self.wfile)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Keep the worker's output free of requests."""


@contextmanager
def serve(bind: str, address: str, files: list[Path]) -> Iterator[list[str]]:
    """Serve the files while the context is open; yields their URLs, in order.

    `bind` is the host's own address, `address` is the one that the device knows it by.
    """
    token = secrets.token_urlsafe(16)
    paths = {f"/tmp/{token}/{path.name}": path for path in files}  # noqa: S108  (an URL path)
    server = ThreadingHTTPServer((bind, 0), partial(_Handler, paths))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield [f"http://{address}:{server.server_port}{path}" for path in paths]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
