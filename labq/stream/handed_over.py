"""Connections that a web process of this machine hands over, with the request it has read of them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path

from aiohttp import web

from labq.handover import MOST_HEAD_BYTES, TAKEN

_LOG = logging.getLogger(__name__)
_BACKLOG = 64


class Taker:
    """Listens at a place in the file system and serves what it is handed as if it had come here."""

    def __init__(self, place: Path, server: web.Server) -> None:
        self._place = place
        self._server = server
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin; where that cannot be, say so and go on without."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        try:
            self._place.unlink(missing_ok=True)
            listener.bind(os.fspath(self._place))
            self._place.chmod(0o600)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            _LOG.warning("web cannot hand over connections at %s: %s", self._place, error)
            return
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """End; what was handed over goes on."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._place.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        link.setblocking(False)
        asyncio.get_running_loop().add_reader(link, self._take, link)

    def _take(self, link: socket.socket) -> None:
        """Take one connection; `link` is done with that."""
        asyncio.get_running_loop().remove_reader(link)
        with link:
            try:
                head, descriptors, flags, _ = socket.recv_fds(link, MOST_HEAD_BYTES, 1)
            except OSError as error:
                _LOG.warning("nothing was handed over: %s", error)
                return
            if len(descriptors) != 1 or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                for descriptor in descriptors:
                    os.close(descriptor)
                return
            client = socket.socket(fileno=descriptors[0])
            client.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._serve(client, head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            link.send(TAKEN)

    async def _serve(self, client: socket.socket, head: bytes) -> None:
        """Serve it from the request on; a client sends nothing more before that is answered."""
        loop = asyncio.get_running_loop()
        try:
            _, handler = await loop.connect_accepted_socket(self._server, client)
        except OSError as error:
            _LOG.warning("a connection that was handed over is gone: %s", error)
            client.close()
            return
        handler.data_received(head)
