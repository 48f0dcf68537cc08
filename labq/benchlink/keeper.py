"""The bench's side of the keeper: the process that is the parent of emulators and keeps descriptors.

Each message is one packet of JSON, with at most one descriptor; see `labq.supervisor.keeper`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labq.domain.errors import InfrastructureError
from labq.hw.process import Process

MOST_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that the keeper keeps: a process, a descriptor, or both. `code` when it ended."""

    key: str
    pid: int | None
    code: int | None
    has_descriptor: bool


@dataclass(frozen=True, slots=True)
class Exit:
    """A process of the keeper ended; a negative code is the signal that ended it."""

    key: str
    code: int


def send_packet(link: socket.socket, message: Mapping[str, object], file: int | None) -> None:
    """Send one message; raises InfrastructureError when it is too long or the peer is gone."""
    data = json.dumps(message).encode()
    if len(data) > MOST_BYTES:
        raise InfrastructureError(f"a message of {len(data)} bytes to the keeper")
    try:
        socket.send_fds(link, [data], [] if file is None else [file])
    except OSError as error:
        raise InfrastructureError(f"the keeper is gone: {error}") from error


def receive_packet(link: socket.socket) -> tuple[dict[str, object], int | None] | None:
    """Return the next message and its descriptor, None at the end; raises OSError, ValueError."""
    data, files, _, _ = socket.recv_fds(link, MOST_BYTES, 4)
    for extra in files[1:]:
        os.close(extra)
    if not data:
        return None
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("not an object")  # noqa: TRY004 - bad bytes, not a bad argument
    return message, files[0] if files else None


class KeeperClient:
    """Calls to the keeper, one at a time; for any thread."""

    def __init__(self, path: Path) -> None:
        self._link = _connect(path)
        self._lock = threading.Lock()

    def spawn(self, key: str, process: Process) -> int | None:
        """Start a process in a session of its own; return the end of its terminal.

        Raises InfrastructureError when it cannot be started.
        """
        _, file = self._call(
            {
                "op": "spawn",
                "key": key,
                "argv": process.argv,
                "env": dict(process.environment),
                "cwd": str(process.cwd),
                "io": process.io,
            }
        )
        return file

    def keep(self, key: str, file: int) -> None:
        """Give a duplicate of a descriptor into keeping."""
        self._call({"op": "keep", "key": key}, file)

    def take(self, key: str) -> int:
        """Return a new descriptor of what is kept under the key."""
        _, file = self._call({"op": "take", "key": key})
        if file is None:
            raise InfrastructureError(f"the keeper has no descriptor for {key}")
        return file

    def entries(self) -> list[Kept]:
        """Return everything that is kept."""
        answer, _ = self._call({"op": "list"})
        entries = answer["entries"]
        if not isinstance(entries, list):
            raise InfrastructureError("the keeper's list is none")
        return [Kept(entry["key"], entry["pid"], entry["code"], entry["fd"]) for entry in entries]

    def signal(self, key: str, number: int) -> None:
        """Send a signal to the process of the key; SIGKILL goes to its whole group."""
        self._call({"op": "signal", "key": key, "signal": number})

    def drop(self, key: str) -> None:
        """Close the duplicate; a process of the key that still runs is killed with its group."""
        self._call({"op": "drop", "key": key})

    def close(self) -> None:
        """Close the connection; everything stays kept."""
        self._link.close()

    def _call(
        self, message: Mapping[str, object], file: int | None = None
    ) -> tuple[dict[str, object], int | None]:
        with self._lock:
            send_packet(self._link, message, file)
            answer = _receive(self._link)
        if "error" in answer[0]:
            raise InfrastructureError(str(answer[0]["error"]))
        return answer


class ExitWatch:
    """A second connection, on which the keeper tells which processes ended."""

    def __init__(self, path: Path) -> None:
        self._link = _connect(path)
        send_packet(self._link, {"op": "watch"}, None)
        _receive(self._link)

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to take."""
        return self._link.fileno()

    def take(self) -> Exit | None:
        """Return the next exit, None when the keeper is gone."""
        try:
            packet = receive_packet(self._link)
        except (OSError, ValueError):
            return None
        return Exit(str(packet[0]["exited"]), int(str(packet[0]["code"]))) if packet else None

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


def _connect(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        link.connect(os.fspath(path))
    except OSError as error:
        link.close()
        raise InfrastructureError(f"no keeper at {path}: {error}") from error
    return link


def _receive(link: socket.socket) -> tuple[dict[str, object], int | None]:
    try:
        packet = receive_packet(link)
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"the keeper is gone: {error}") from error
    if packet is None:
        raise InfrastructureError("the keeper is gone")
    return packet
