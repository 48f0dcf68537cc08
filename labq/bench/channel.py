"""One open console: its bytes go to the journal, what is sent is journaled first."""

from __future__ import annotations

import asyncio
import json
import os
import select
from collections.abc import Callable

from labq.bench.inbox import Inbox, Note
from labq.bench.run import BenchRun
from labq.benchlink.records import Kind
from labq.domain.errors import InfrastructureError, LabqError

TURN_BYTES = 64 * 1024
PIECE_BYTES = 512
ECHO_DELAYS = 10
EXIT_SECONDS = 1.0


class Channel:
    """A descriptor that is read by the loop, at most TURN_BYTES a turn, so that all get a turn.

    `process` is the keeper's key of the process behind it, if any. `asked` is set when a step or
    a power command means to close it. `vanished`, where it is set, is told instead of the journal
    when the connection ends by itself.
    """

    def __init__(
        self, name: str, file: int, run: BenchRun, closed: Callable[[Channel], None]
    ) -> None:
        self.name = name
        self.process: str | None = None
        self.asked = False
        self.vanished: Callable[[], None] | None = None
        self._file = file
        self._run = run
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._typing = asyncio.Lock()
        self._heard = b""
        self._arrival = asyncio.Event()
        self._writable: asyncio.Future[None] | None = None
        self._is_open = True
        try:
            self._inbox = Inbox(run.folder, name, TURN_BYTES)
            self._note = Note(run.folder, name, PIECE_BYTES)
        except OSError as error:
            os.close(file)
            raise InfrastructureError(f"console {name} cannot be journaled: {error}") from error
        os.set_blocking(file, False)
        self._loop.add_reader(file, self._readable)

    async def send(self, number: int, data: bytes, delay: float) -> None:
        """Send what the journal does not have under this number."""
        async with self._typing:
            sent = self._run.emissions.sent.get(number, 0)
            if sent >= len(data):
                return
            if delay <= 0 and len(data) <= PIECE_BYTES and not sent and self._has_room():
                await self._send(Kind.INPUT, number, data)
                return
            if number not in self._run.emissions.announced:
                self._run.record(Kind.TYPING, data, channel=self.name, number=number)
            await self._type(number, data[sent:], delay)

    def end(self, text: str, *, is_expected_back: bool = False) -> None:
        """Take what has arrived, close, and say so in the journal unless it is to come back."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._file)
        self._loop.remove_writer(self._file)
        if self._writable and not self._writable.done():
            self._writable.set_exception(InfrastructureError(f"console {self.name}: {text}"))
        try:
            while self._take() > 0:
                pass
            if not is_expected_back:
                data = json.dumps({"text": text, "asked": self.asked}).encode()
                self._run.record(Kind.CLOSED, data, channel=self.name)
        except LabqError as error:
            self._run.failed(error)
        finally:
            os.close(self._file)
            self._inbox.close()
            self._note.close()
            self._closed(self)

    def _readable(self) -> None:
        try:
            if self._take() >= 0:
                return
        except LabqError as error:
            self._loop.remove_reader(self._file)
            self._run.failed(error)
            return
        # The end. A process behind it tells its exit code in a moment.
        self._loop.remove_reader(self._file)
        if self.vanished and not self.asked:
            self.end("the connection ended", is_expected_back=True)
            self.vanished()
        elif self.process:
            self._loop.call_later(EXIT_SECONDS, self.end, "the connection ended")
        else:
            self.end("the connection ended")

    def _take(self) -> int:
        """Journal what can be read now and return how much; -1 at the end of the stream."""
        inbox = self._inbox
        inbox.expect(self._run.journal.sequence + 1)
        is_over = False
        while inbox.room and (count := inbox.read(self._file)) is not None:
            if count == 0:
                is_over = True
                break
        data = inbox.data()
        if not data:
            return -1 if is_over else 0
        self._run.record(Kind.OUTPUT, data, channel=self.name)
        inbox.clear()
        self._heard = (self._heard + data)[-PIECE_BYTES:]
        self._arrival.set()
        return len(data)

    async def _type(self, number: int, data: bytes, delay: float) -> None:
        size = 1 if delay > 0 else PIECE_BYTES
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self._heard = b""
            until = self._loop.time() + delay
            await self._send(Kind.TYPED, number, piece)
            if delay > 0:
                await self._hear(piece, self._loop.time() + ECHO_DELAYS * delay)
                await asyncio.sleep(max(0.0, until - self._loop.time()))

    async def _hear(self, piece: bytes, until: float) -> None:
        """Wait for the echo, until it is clear that none comes."""
        while not (piece in self._heard or (piece in b"\r\n" and self._heard)):
            self._arrival.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._arrival.wait()
            except TimeoutError:
                return

    async def _send(self, kind: Kind, number: int, data: bytes) -> None:
        """Write and journal; a bench that is killed between the two leaves a note."""
        if not self._is_open:
            raise InfrastructureError(f"console {self.name} is closed")
        run = self._run
        self._note.take(run.journal.sequence + 1, kind, (run.step, number), data)
        try:
            rest = self._write(data)
            run.record(kind, data, channel=self.name, number=number)
        finally:
            self._note.clear()
        while rest:
            await self._wait_for_room()
            rest = self._write(rest)

    def _write(self, data: bytes) -> bytes:
        """Write what there is room for and return the rest."""
        try:
            return data[os.write(self._file, data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            raise InfrastructureError(f"cannot write to {self.name}: {error}") from error

    async def _wait_for_room(self) -> None:
        self._writable = self._loop.create_future()
        self._loop.add_writer(self._file, _settle, self._writable)
        try:
            await self._writable
        finally:
            if self._is_open:
                self._loop.remove_writer(self._file)
            self._writable = None

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._file, select.POLLOUT)
        return self._is_open and bool(poll.poll(0))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
