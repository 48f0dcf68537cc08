"""One worker's connection: its lines are read all the time, so that its end is seen at once."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Protocol

from labq.benchlink.messages import (
    MOST_BYTES,
    Answer,
    Begin,
    DrainHost,
    Fenced,
    Grew,
    Refused,
    Reply,
    Request,
    Watch,
    dump_answer,
    load_request,
)
from labq.domain.errors import BugError, InfrastructureError, LabqError

log = logging.getLogger(__name__)


class Office(Protocol):
    """Who does what workers ask for."""

    def register(self, desk: Desk, begin: Begin) -> None:
        """A worker wants a step, or its hold back."""

    async def do(self, desk: Desk, request: Request) -> Reply:
        """Do one request of the worker; raises LabqError."""

    async def drain_host(self, request: DrainHost) -> Reply:
        """Drain the host at once, or end that."""

    def size_of_journal(self, desk: Desk) -> int:
        """Return how long the journal of the worker's run is."""

    def left(self, desk: Desk) -> None:
        """The worker's connection is closed."""


class Desk:
    """A connection. `run` is set while it waits, holds or hands over."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.run: int | None = None
        self.pid = 0
        self.is_fenced = False
        self._writer = writer
        self._task: asyncio.Task[None] | None = None
        self._watched: int | None = None

    def say(self, answer: Answer) -> None:
        """Send an answer or notice."""
        if not self._writer.is_closing():
            self._writer.write(dump_answer(answer))

    def fence(self, reason: str) -> None:
        """Take the hold away: nothing more is done for this worker."""
        self.is_fenced = True
        if self._task:
            self._task.cancel()
        self.say(Fenced(reason=reason))

    def grew(self, size: int) -> None:
        """Tell the worker, if it waits for the journal to be longer than this."""
        if self._watched is not None and size > self._watched:
            self._watched = None
            self.say(Grew())

    async def serve(self, reader: asyncio.StreamReader, office: Office) -> None:
        """Read until the worker closes."""
        try:
            begin = load_request(await reader.readuntil(b"\n"))
            if isinstance(begin, DrainHost):
                await self._drain(begin, office)
                return
            if not isinstance(begin, Begin):
                raise InfrastructureError("the first message is not begin")
            self.pid = begin.pid
            office.register(self, begin)
            while True:
                self._take(load_request(await reader.readuntil(b"\n")), office)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (InfrastructureError, asyncio.LimitOverrunError) as error:
            log.warning("a worker is not understood: %s", error)
        except Exception:
            log.exception("a worker's connection")
        # Not when this is canceled: a bench that leaves its runs to the next one loses no hold.
        if self._task:
            self._task.cancel()
        office.left(self)
        self._writer.close()

    async def _drain(self, request: DrainHost, office: Office) -> None:
        """Answer one who is no worker; what was asked goes on without them."""
        self.say(await asyncio.shield(office.drain_host(request)))
        await self._writer.drain()
        self._writer.close()

    def _take(self, request: Request, office: Office) -> None:
        if self.is_fenced:
            self.say(Fenced(reason="the hold was lost before"))
        elif isinstance(request, Watch):
            self._watched = request.size
            self.grew(office.size_of_journal(self))
        elif self._task and not self._task.done():
            raise InfrastructureError("a request before the last one was answered")
        else:
            self._task = asyncio.get_running_loop().create_task(self._do(request, office))

    async def _do(self, request: Request, office: Office) -> None:
        try:
            self.say(await office.do(self, request))
        except LabqError as error:
            self.say(Refused(type=error.type, message=str(error)))
        except OSError as error:
            message = f"{request.op}: the host refuses: {error}"
            self.say(Refused(type=InfrastructureError.type, message=message))
        except Exception as error:
            log.exception("request %s", request.op)
            self.say(Refused(type=BugError.type, message=f"{request.op}: {error!r}"))


async def listen(path: str, office: Office) -> asyncio.Server:
    """Serve workers on a unix socket."""

    numbers = itertools.count(1)

    async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Desk(next(numbers), writer).serve(reader, office)

    return await asyncio.start_unix_server(_connected, path, limit=MOST_BYTES)
