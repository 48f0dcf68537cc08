"""What is asked of a host's supervisor: how its parts are, to start them again, to end the host.

One packet of JSON on `host.sock` in the host folder, answered by one; see `labq.supervisor.control`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labq.benchlink.keeper import receive_packet, send_packet
from labq.domain.errors import InfrastructureError

SOCKET_NAME = "host.sock"
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part: its process (None while it waits to be started), restarts and the last reason."""

    name: str
    pid: int | None
    restarts: int
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """The parts, and the processes that were replaced and still finish something."""

    supervisor: int
    parts: tuple[PartStatus, ...]
    leaving: tuple[int, ...]


_STATUS = TypeAdapter(HostStatus)


def status(folder: Path) -> HostStatus:
    """Return how the parts are; raises InfrastructureError when no supervisor answers."""
    answer = _ask(folder, {"op": "status"})
    try:
        return _STATUS.validate_python(answer)
    except ValidationError as error:
        raise InfrastructureError(f"the host's supervisor is not understood: {error}") from error


def restart(
    folder: Path, names: Sequence[str], reason: str, *, gently: bool, fresh: bool = False
) -> None:
    """Start parts again; gently lets a worker finish its steps beside the new one.

    `fresh` ones read their code from disk anew, which takes longer.
    """
    words = {"names": list(names), "reason": reason, "gently": gently, "fresh": fresh}
    _ask(folder, {"op": "restart", **words})


def end_leaving(folder: Path, pids: Sequence[int]) -> None:
    """Kill replaced processes that have nothing to finish."""
    _ask(folder, {"op": "end_leaving", "pids": list(pids)})


def stop(folder: Path) -> int:
    """End the host: runs end, devices are powered off. Returns the supervisor's process."""
    return int(str(_ask(folder, {"op": "stop"})["supervisor"]))


def _ask(folder: Path, words: dict[str, object]) -> dict[str, object]:
    path = folder / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as link:
        link.settimeout(ANSWER_SECONDS)
        try:
            link.connect(os.fspath(path))
            send_packet(link, words, None)
            packet = receive_packet(link)
        except (OSError, ValueError) as error:
            reason = f"no supervisor of a host answers at {path}: {error}"
            raise InfrastructureError(reason) from error
    if packet is None:
        raise InfrastructureError(f"the host's supervisor at {path} closed the connection")
    if "error" in packet[0]:
        raise InfrastructureError(str(packet[0]["error"]))
    return packet[0]
