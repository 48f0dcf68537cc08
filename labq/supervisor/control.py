"""Where a host's supervisor is asked for something: `host.sock` in its folder, see `labq.benchlink.steward`.

Like the keeper it never blocks: a client that says nothing costs a descriptor only.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from labq.benchlink.keeper import receive_packet, send_packet
from labq.benchlink.steward import SOCKET_NAME
from labq.domain.errors import InfrastructureError, LabqError

Answer = Callable[[Mapping[str, object]], dict[str, object]]


class Control:
    """Serves one host folder; `answer` does what a packet asks and returns the reply."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self._path = folder / SOCKET_NAME
        self._answer = answer
        self._clients: dict[int, socket.socket] = {}
        self._poll = select.epoll()
        self._path.unlink(missing_ok=True)
        kind = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._listener = socket.socket(socket.AF_UNIX, kind)
        self._listener.bind(os.fspath(self._path))
        self._path.chmod(0o600)
        self._listener.listen()
        self._poll.register(self._listener, select.EPOLLIN)

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to handle."""
        return self._poll.fileno()

    def handle(self) -> None:
        """Answer who asks."""
        for file, _ in self._poll.poll(0):
            if file in self._clients:
                self._serve(self._clients[file])
            else:
                self._accept()

    def close(self) -> None:
        """Close everything."""
        for client in list(self._clients.values()):
            self._leave(client)
        self._listener.close()
        self._poll.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client.fileno()] = client
            self._poll.register(client, select.EPOLLIN)

    def _leave(self, client: socket.socket) -> None:
        self._poll.unregister(client)
        del self._clients[client.fileno()]
        client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            packet = receive_packet(client)
            if packet is None:
                self._leave(client)
                return
            message, file = packet
            if file is not None:
                os.close(file)
            send_packet(client, self._reply(message), None)
        except BlockingIOError:
            return
        except (OSError, ValueError, InfrastructureError):
            self._leave(client)

    def _reply(self, message: Mapping[str, object]) -> dict[str, object]:
        try:
            return self._answer(message)
        except (LabqError, LookupError, TypeError, ValueError) as error:
            return {"error": f"{message.get('op')}: {error}"}
