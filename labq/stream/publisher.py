"""Publishes events over ZMQ (publish/subscribe), in LAVA's format, to whoever subscribes."""

from __future__ import annotations

import asyncio
import logging

import zmq
import zmq.asyncio

from labq.services.visibility import Viewer
from labq.stream.telling import Telling

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - what an admin may have set
_SUBSCRIBE = b"\x01"
_MOST_WAITING = 1000
"""Messages for one subscriber; one that is further behind misses some."""


class Publisher:
    """A socket that publishes what `viewer` may see; nothing is looked up while nobody subscribes."""

    def __init__(self, host: str, port: int, viewer: Viewer) -> None:
        self.viewer = viewer
        self._address = f"tcp://{_in_address(host)}:{port}"
        self._is_ipv6 = ":" in host
        self._topics: set[bytes] = set()
        self._socket: zmq.asyncio.Socket | None = None

    @property
    def is_listening(self) -> bool:
        """Tell whether somebody subscribes."""
        return bool(self._topics)

    def hear(self, telling: Telling) -> None:
        """Publish an event; a subscriber that does not keep up misses it, nobody waits."""
        if self._socket is not None:
            # Done at once: this kind of socket drops what a subscriber has no room for.
            _sent = self._socket.send_multipart(telling.frames, flags=zmq.NOBLOCK)

    async def run(self) -> None:
        """Publish until canceled; a port that is taken is tried again, and stops nothing else."""
        context = zmq.asyncio.Context()
        try:
            self._socket = await self._bind(context)
            _LOG.info("events are published at %s", self._address)
            while True:
                self._note(await self._socket.recv())
        finally:
            self._topics.clear()
            self._socket = None
            context.destroy(linger=0)

    async def _bind(self, context: zmq.asyncio.Context) -> zmq.asyncio.Socket:
        told = False
        while True:
            # This kind tells of subscriptions; to its subscribers it is the one that LAVA has.
            socket = context.socket(zmq.XPUB)
            socket.setsockopt(zmq.SNDHWM, _MOST_WAITING)
            socket.setsockopt(zmq.IPV6, int(self._is_ipv6))
            # What subscribers send is no more than the beginning of a topic.
            socket.setsockopt(zmq.MAXMSGSIZE, 4096)
            try:
                socket.bind(self._address)
            except zmq.ZMQError as error:
                socket.close(linger=0)
                if not told:
                    _LOG.warning("events are not published at %s: %s", self._address, error)
                told = True
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            return socket

    def _note(self, message: bytes) -> None:
        """Note that a topic has its first subscriber, or lost its last one."""
        if message.startswith(_SUBSCRIBE):
            self._topics.add(message[1:])
        else:
            self._topics.discard(message[1:])


def _in_address(host: str) -> str:
    if host in _ANY:
        return "*"
    return f"[{host}]" if ":" in host else host
