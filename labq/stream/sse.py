"""Server-sent events: how they are written, and how a reader that cannot keep up is let go."""

from __future__ import annotations

import asyncio

from aiohttp import web

KEEP_ALIVE_SECONDS = 15.0
SLOW_SECONDS = 30.0
LINGER_SECONDS = 30.0
_COMMENT = b": alive\n\n"


def event(name: str, data: bytes, event_id: str = "") -> bytes:
    """Return one event; each line of `data` becomes a field of its own, as the format wants."""
    head = f"id: {event_id}\n" if event_id else ""
    # A carriage return would end the line too: what a host sent is not trusted to have none.
    fields = data.replace(b"\r", b" ").replace(b"\n", b"\ndata: ")
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), fields)


class Reader:
    """One connection that gets events."""

    def __init__(self, request: web.Request, origin: str) -> None:
        self._request = request
        self._response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
                "Access-Control-Allow-Origin": origin,
                "Vary": "Origin",
            }
        )

    @property
    def response(self) -> web.StreamResponse:
        """Return the answer that is being written."""
        return self._response

    async def begin(self) -> None:
        """Send the headers."""
        await self._response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Send bytes; raises TimeoutError when the reader takes nothing for too long."""
        async with asyncio.timeout(SLOW_SECONDS):
            await self._response.write(data)

    async def write_until(self, changed: asyncio.Event) -> None:
        """Wait for a change, and write a comment when there is none for long."""
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                await changed.wait()
        except TimeoutError:
            await self.write(_COMMENT)

    async def let_go(self) -> None:
        """End a connection that is behind: it is told so when it reads on, and may come back."""
        transport = self._request.transport
        if transport is None:
            return
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)
        try:
            async with asyncio.timeout(0):
                await self._response.write(event("behind", b"{}"))
        except TimeoutError:
            return
