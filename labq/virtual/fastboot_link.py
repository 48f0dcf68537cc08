"""The device's end of fastboot over TCP: handshake, messages with their length before them.

Protocol: system/core/fastboot/README.md of Android, "TCP Protocol v1".
"""

from __future__ import annotations

import socket
import struct

HANDSHAKE = b"FB01"
MOST_COMMAND_BYTES = 4096
_LENGTH = struct.Struct(">Q")
_PIECE_BYTES = 256 * 1024


class LinkClosedError(Exception):
    """The client is gone, or the link was dropped."""


class Link:
    """One client's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = 0
        """Bytes of the present message that were not read yet."""

    def shake_hands(self) -> None:
        """Take the client's handshake and answer it; raises LinkClosedError for another one."""
        if self._exactly(len(HANDSHAKE)) != HANDSHAKE:
            raise LinkClosedError("this is no fastboot client")
        self._socket.sendall(HANDSHAKE)

    def command(self) -> str:
        """Return the next command; raises LinkClosedError when the client hangs up."""
        (size,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if size > MOST_COMMAND_BYTES:
            raise LinkClosedError(f"a command of {size} bytes")
        return self._exactly(size).decode(errors="replace")

    def answer(self, text: str) -> None:
        """Send one answer: `OKAY`, `FAIL`, `DATA` or `INFO` with what follows."""
        data = text.encode()
        try:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise LinkClosedError(str(error)) from error

    def payload(self, target: memoryview, silence: float | None) -> None:
        """Fill `target` with data, which comes in messages of any length.

        `silence` is how many seconds may pass without data before the link is dropped.
        """
        self._socket.settimeout(silence)
        try:
            while target:
                target = target[self._some(target) :]
        except TimeoutError as error:
            raise LinkClosedError(f"no data for {silence} s") from error
        finally:
            self._socket.settimeout(None)

    def skip(self, size: int, silence: float | None) -> None:
        """Take data as `payload` does, and forget it."""
        scratch = memoryview(bytearray(_PIECE_BYTES))
        while size:
            piece = scratch[: min(size, _PIECE_BYTES)]
            self.payload(piece, silence)
            size -= len(piece)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _some(self, target: memoryview) -> int:
        if self._left == 0:
            (self._left,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        size = min(self._left, len(target), _PIECE_BYTES)
        count = self._socket.recv_into(target, size)
        if count == 0 and size > 0:
            raise LinkClosedError("the client hung up in the middle of a download")
        self._left -= count
        return count

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self._socket.recv(size - len(data))
            except TimeoutError:
                raise
            except OSError as error:
                raise LinkClosedError(str(error)) from error
            if not piece:
                raise LinkClosedError("the client hung up")
            data += piece
        return bytes(data)
