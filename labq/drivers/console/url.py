"""A console behind a URL (`labq.hw.params.url`); what pyserial alone knows is bridged."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import serial
from typing_extensions import override

from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec
from labq.hw.driver import ConsoleDriver, Place
from labq.hw.params.url import BAUD, ConsoleUrl, parse_url

CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.05
FAKE = ConsoleSpec(channel="main", kind="url", url="loop://")
"""A device that says what it is told."""


class UrlConsole(ConsoleDriver):
    """Opens what pyserial can open, and unix sockets."""

    kind = "url"

    @override
    def open(self, spec: ConsoleSpec, place: Place) -> int:
        """Connect; raises ConfigurationError, InfrastructureError when nothing answers."""
        where = parse_url(spec.url)
        try:
            return _open(where)
        except (OSError, ValueError, serial.SerialException) as error:
            raise InfrastructureError(f"cannot open console {spec.url}: {error}") from error


def _open(where: ConsoleUrl) -> int:
    match where.scheme:
        case "unix":
            return _connect_unix(where.path)
        case "socket":
            return socket.create_connection((where.host, where.port), CONNECT_SECONDS).detach()
        case "":
            # The port's own lock goes with the descriptor: nobody else opens it meanwhile.
            with serial.Serial(where.path, where.baud, timeout=0, exclusive=True) as port:
                return os.dup(port.fileno())
        case _:
            return _open_bridge(where.url)


def _connect_unix(path: str) -> int:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(CONNECT_SECONDS)
    try:
        link.connect(path)
    except OSError:
        link.close()
        raise
    return link.detach()


def _open_bridge(url: str) -> int:
    """Connect what is no descriptor in pyserial (rfc2217, loop) by two threads and a socket."""
    port = serial.serial_for_url(url, BAUD, timeout=_POLL_SECONDS)
    ours, theirs = socket.socketpair()
    for work in (_carry_in, _carry_out):
        threading.Thread(target=work, args=(port, theirs), daemon=True, name=url).start()
    return ours.detach()


def _carry_in(port: serial.Serial, link: socket.socket) -> None:
    """Carry what the device says; ends with either side."""
    with contextlib.suppress(OSError, serial.SerialException):
        while port.is_open:
            data = port.read(max(1, port.in_waiting))
            if data:
                link.sendall(data)
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _carry_out(port: serial.Serial, link: socket.socket) -> None:
    """Carry what the bench sends; ends with either side."""
    with contextlib.suppress(OSError, serial.SerialException):
        while data := link.recv(4096):
            port.write(data)
    port.close()
    link.close()
