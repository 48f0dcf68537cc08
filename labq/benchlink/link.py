"""One worker's socket to the bench: calls, notices, and coming back when the bench was restarted."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

from labq.benchlink.messages import (
    MOST_BYTES,
    Begin,
    Done,
    Dropped,
    End,
    Fenced,
    Granted,
    Grew,
    Refused,
    Reply,
    Request,
    Watch,
    dump_request,
    load_answer,
)
from labq.benchlink.pauses import Pauses
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import (
    BugError,
    CanceledError,
    ConfigurationError,
    ErrorType,
    InfrastructureError,
    JobError,
    LabqError,
    TestError,
)

PATIENCE_SECONDS = 60.0
_RETRY_SECONDS = 0.05
_STABLE_SECONDS = 1.0
_ERRORS: dict[ErrorType, type[LabqError]] = {
    error.type: error
    for error in (
        InfrastructureError,
        JobError,
        TestError,
        BugError,
        CanceledError,
        ConfigurationError,
    )
}


class HoldLostError(LabqError):
    """The bench has taken the step away: canceled, sent again, or over its deadline."""

    type = ErrorType.INFRASTRUCTURE


class _BrokenError(Exception):
    """The socket broke."""


class Link:
    """The connection of one step. Not for several threads at once. `pauses` are those of the step."""

    def __init__(self, path: Path, begin: Begin) -> None:
        self._path = path
        self._begin = begin
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._grew = False
        self._watched = -1
        self.pauses = Pauses()

    def register(self) -> Granted | None:
        """Wait for the grant; None when the step is dropped or done."""
        granted = self._come_back()
        if granted is None:
            self.close()
        return granted if isinstance(granted, Granted) else None

    def call(self, request: Request) -> int | None:
        """Do the request and return the reply's value; raises what the bench refuses."""
        return self.ask(request).value

    def ask(self, request: Request) -> Reply:
        """Do the request, again after a restart of the bench; raises what the bench refuses."""
        while True:
            try:
                self._send(request)
                return self._reply()
            except _BrokenError:
                back = self._come_back()
                if isinstance(back, Done) and isinstance(request, End):
                    return Reply(value=back.next)
                if not isinstance(back, Granted):
                    raise HoldLostError("the bench gave the step away while it was gone") from None

    def wait_growth(self, size: int, deadline: Deadline) -> bool:
        """Wait until the journal is longer than `size`; False when the deadline passes first.

        The deadline is on the step's clock: a bench that is away takes nothing of it.
        """
        while True:
            try:
                if self._watched != size:
                    self._send(Watch(size=size))
                    self._watched, self._grew = size, False
                while not self._grew:
                    if not self._notice(deadline.remaining(self.pauses.without(monotonic()))):
                        return False
                self._watched, self._grew = -1, False
                return True
            except _BrokenError:
                if not isinstance(self._come_back(), Granted):
                    raise HoldLostError("the bench gave the step away") from None

    def check(self) -> None:
        """Take in what the bench has said; raises HoldLostError when the hold is lost."""
        try:
            while self._notice(0.0):
                pass
        except _BrokenError:
            if not isinstance(self._come_back(), Granted):
                raise HoldLostError("the bench gave the step away") from None

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for notices; -1 when it is broken."""
        return self._socket.fileno() if self._socket else -1

    def close(self) -> None:
        """Close the socket: the bench takes it as the end of this task."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _come_back(self) -> Granted | Done | None:
        """Connect and register, as long as the bench has not been away for PATIENCE_SECONDS."""
        deadline = Deadline.after(PATIENCE_SECONDS)
        while True:
            self.close()
            began = monotonic()
            try:
                return self._register(deadline)
            except _BrokenError as error:
                if monotonic() - began > _STABLE_SECONDS:
                    deadline = Deadline.after(PATIENCE_SECONDS)
                if deadline.is_over():
                    raise InfrastructureError(
                        f"the bench at {self._path} does not answer: {error}"
                    ) from error
                time.sleep(min(_RETRY_SECONDS, deadline.remaining()))

    def _register(self, deadline: Deadline) -> Granted | Done | None:
        self._connect(deadline)
        self._send(self._begin)
        while True:
            answer = load_answer(self._line(None))
            if isinstance(answer, Granted):
                self._begin = replace(self._begin, token=answer.token)
                self.pauses.add(answer.pauses)
            if isinstance(answer, Granted | Done):
                return answer
            if isinstance(answer, Dropped | Fenced):
                return None

    def _connect(self, deadline: Deadline) -> None:
        self._buffer.clear()
        self._watched = -1
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.settimeout(max(1.0, deadline.remaining()))
            self._socket.connect(os.fspath(self._path))
        except OSError as error:
            raise _BrokenError(str(error)) from error

    def _send(self, request: Request) -> None:
        line = dump_request(request)
        if self._socket is None:
            raise _BrokenError("not connected")
        try:
            self._socket.settimeout(None)
            self._socket.sendall(line)
        except OSError as error:
            raise _BrokenError(str(error)) from error

    def _reply(self) -> Reply:
        while True:
            answer = load_answer(self._line(None))
            match answer:
                case Reply():
                    return answer
                case Refused():
                    raise _ERRORS[answer.type](answer.message)
                case Fenced():
                    raise HoldLostError(answer.reason)
                case Grew():
                    self._grew = True
                case _:
                    raise InfrastructureError(f"the bench said {answer.op} out of turn")

    def _notice(self, seconds: float) -> bool:
        try:
            answer = load_answer(self._line(seconds))
        except TimeoutError:
            return False
        if isinstance(answer, Fenced):
            raise HoldLostError(answer.reason)
        self._grew = self._grew or isinstance(answer, Grew)
        return True

    def _line(self, seconds: float | None) -> bytes:
        """Return the next line; raises TimeoutError after `seconds`, without it waits for ever."""
        if self._socket is None:
            raise _BrokenError("not connected")
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MOST_BYTES:
                raise InfrastructureError("the bench sent a line without end")
            self._receive(self._socket, seconds)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _receive(self, link: socket.socket, seconds: float | None) -> None:
        link.settimeout(seconds)
        try:
            data = link.recv(65536)
        except (TimeoutError, BlockingIOError) as error:
            raise TimeoutError from error
        except OSError as error:
            raise _BrokenError(str(error)) from error
        if not data:
            raise _BrokenError("the bench closed the connection")
        self._buffer += data
