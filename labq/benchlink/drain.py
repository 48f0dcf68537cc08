"""Asks the bench of this machine to end its runs at once, or to work again."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from labq.benchlink.messages import DrainHost, Refused, Reply, dump_request, load_answer
from labq.domain.errors import InfrastructureError


def drain(path: Path, reason: str, seconds: float) -> int:
    """Drain the host whose bench listens at `path`; with an empty reason it works again.

    Returns how many runs were ended. Raises InfrastructureError when no bench answers in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(seconds)
        try:
            link.connect(os.fspath(path))
            link.sendall(dump_request(DrainHost(reason=reason)))
            line = link.makefile("rb").readline()
        except TimeoutError as error:
            raise InfrastructureError(f"the bench is not done after {seconds:g} s") from error
        except OSError as error:
            raise InfrastructureError(f"no bench answers at {path}: {error}") from error
    if not line:
        raise InfrastructureError("the bench ended before it was done")
    match load_answer(line):
        case Reply(value=value):
            return value or 0
        case Refused(message=message):
            raise InfrastructureError(message)
        case other:
            raise InfrastructureError(f"the bench said {other.op}")
