"""A TCP relay between hosts and server that can be slow, go silent, or hang up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

PIECE_BYTES = 65536
Address = tuple[str, int]


class Line:
    """One listening port. While it is silent, nothing passes and nothing is closed."""

    def __init__(self, target: Callable[[], Address]) -> None:
        self.address: Address = ("", 0)
        self.delay = 0.0
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str) -> None:
        """Listen on a free port of an address."""
        self._server = await asyncio.start_server(self._serve, host, 0)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def set_silent(self, is_silent: bool) -> None:
        """Stop or go on."""
        if is_silent:
            self._open.clear()
        else:
            self._open.set()

    async def hang_up(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            there = await asyncio.open_connection(*self._target())
            self._writers.add(there[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, there[1]))
                    group.create_task(self._pump(there[0], writer))
            finally:
                self._writers.discard(there[1])
                there[1].transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE_BYTES):
            await self._open.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        writer.transport.abort()
        raise ConnectionResetError


class Relay:
    """The lines, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()

    def add(self, host: str, target: Callable[[], Address]) -> Line:
        """Listen on an address of this machine for connections to the target."""

        async def made() -> Line:
            line = Line(target)
            await line.listen(host)
            return line

        return self._do(made())

    def set_silent(self, line: Line, is_silent: bool) -> None:
        """Stop or go on."""
        self._do(line.set_silent(is_silent))

    def hang_up(self, line: Line) -> None:
        """Reset all connections of a line."""
        self._do(line.hang_up())

    def close(self) -> None:
        """End the thread and with it all connections."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
