"""A console behind a URL: `unix:///path`, `socket://host:port`, a serial port, `rfc2217://...`.

A serial port may carry its speed: `/dev/ttyUSB0?baud=9600` (115200 without it).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from urllib.parse import parse_qs, urlsplit

import serial
from typing_extensions import override

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import ConsoleSpec
from labq.hw.driver import ConsoleDriver, Place

CONNECT_SECONDS = 10.0
BAUD = 115200
_POLL_SECONDS = 0.05
FAKE = ConsoleSpec(channel="main", kind="url", url="loop://")
"""A device that says what it is told."""


class UrlConsole(ConsoleDriver):
    """Opens what pyserial can open, and unix sockets."""

    kind = "url"

    @override
    def open(self, spec: ConsoleSpec, place: Place) -> int:
        """Connect; raises InfrastructureError when nothing answers."""
        if not spec.url:
            raise ConfigurationError(f"console {spec.channel} of kind url has no url")
        try:
            return _open(spec.url)
        except (OSError, ValueError, serial.SerialException) as error:
            raise InfrastructureError(f"cannot open console {spec.url}: {error}") from error


def _open(url: str) -> int:
    parts = urlsplit(url)
    match parts.scheme:
        case "unix":
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(CONNECT_SECONDS)
            with contextlib.ExitStack() as stack:
                stack.callback(link.close)
                link.connect(parts.path)
                stack.pop_all()
            return link.detach()
        case "socket":
            address = (parts.hostname or "", parts.port or 0)
            return socket.create_connection(address, CONNECT_SECONDS).detach()
        case "":
            return _open_port(parts.path, parse_qs(parts.query))
        case _:
            return _open_bridge(url)


def _open_port(path: str, options: dict[str, list[str]]) -> int:
    baud = int(options.get("baud", [str(BAUD)])[0])
    with serial.Serial(path, baud, timeout=0) as port:
        return os.dup(port.fileno())


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
