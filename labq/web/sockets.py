"""`/ws/` on web's own port: such connections go on in the stream process, which web hands them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from typing_extensions import override
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]  # it ships no types
from waitress.task import WSGITask  # type: ignore[import-untyped]  # it ships no types
from werkzeug.exceptions import ServiceUnavailable

from labq.handover import hand_over

PATHS = ("/ws/", "/ws")
_AWAY = (
    "events are sent by the stream process, which does not answer on this machine: "
    "have the reverse proxy send /ws/ to it"
)


def channel_class(place: Path) -> type[HTTPChannel]:
    """Return the kind of connection whose requests for PATHS are handed over at `place`."""

    class Task(WSGITask):  # type: ignore[misc]  # waitress ships no types
        @override
        def service(self) -> None:
            if self._is_taken():
                # Closes this process's descriptor alone, without a word on the connection.
                self.close_on_finish = True
            else:
                super().service()

        def _is_taken(self) -> bool:
            request = self.request
            if request.path not in PATHS or request.error or request.command != "GET":
                return False
            return hand_over(place, self.channel.socket, _head(request))

    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
        task_class = Task

    return Channel


def _head(request: Any) -> bytes:
    """Return the head of a request as a client may have sent it."""
    fields = [
        f"{name.replace('_', '-').title()}: {value}"
        for name, value in request.headers.items()
        if "\r" not in value and "\n" not in value
    ]
    lines = [f"{request.command} {request.path} HTTP/1.1", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1", errors="replace")


def register(app: Flask) -> None:
    """Answer those whose connection nobody has taken."""
    for path in PATHS:
        app.add_url_rule(path, endpoint=f"sockets{path}", view_func=_refuse)


def _refuse() -> str:
    raise ServiceUnavailable(_AWAY)
