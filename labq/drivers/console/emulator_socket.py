"""The console of an emulator that connects it to a unix socket: listened on before it starts."""

from __future__ import annotations

import socket
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError


def listen(path: Path) -> socket.socket:
    """Return the listening socket; raises InfrastructureError when the path cannot be used."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise InfrastructureError(f"cannot listen on {path}: {error}") from error
    return listener


def accept(listener: socket.socket, deadline: Deadline) -> int:
    """Return the emulator's console; raises InfrastructureError when it does not connect."""
    listener.settimeout(max(0.01, deadline.remaining()))
    try:
        link, _ = listener.accept()
    except OSError as error:
        raise InfrastructureError(f"the emulator did not connect its console: {error}") from error
    return link.detach()
