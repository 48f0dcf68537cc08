"""The TFTP server of a host: a part of its own, so that a flood of packets delays nothing else."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labq.config import load
from labq.domain.deadline import monotonic
from labq.domain.errors import InfrastructureError
from labq.log import setup
from labq.netboot import files, packets
from labq.netboot.files import NoFileError
from labq.netboot.packets import Abort, BadPacketError, Fault
from labq.netboot.transfer import Transfer

MOST_TRANSFERS = 256
MOST_OF_A_CLIENT = 16
LONGEST_WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.1
"""How often it is looked for answers that are overdue."""
PACKETS_AT_ONCE = 64
"""Of the port for requests, before the transfers get their turn again."""
Address = tuple[str, int] | tuple[str, int, int, int]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Client:
    """A transfer, its socket and client; `due` is when the answer is overdue."""

    transfer: Transfer
    link: socket.socket
    address: Address
    path: str
    began: float
    due: float


class Server:
    """Serves files of `runs` and `own` at one address until it is closed."""

    def __init__(self, address: Address, runs: Path, own: Path | None) -> None:
        self._runs, self._own = runs, own
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._look_at = 0.0
        self._port = _listen(address)
        self._selector.register(self._port, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """Return the port that takes requests."""
        return int(self._port.getsockname()[1])

    def close(self) -> None:
        """Break off all transfers."""
        for client in list(self._clients.values()):
            self._end(client)
        self._selector.close()
        self._port.close()

    def turn(self) -> None:
        """Wait for packets for a moment, answer them, repeat what nobody answered."""
        wait = LOOK_SECONDS if self._clients else LONGEST_WAIT_SECONDS
        for key, _ in self._selector.select(wait):
            client = self._clients.get(key.fd)
            if client is not None:
                self._hear(client)
            elif key.fileobj is self._port:
                self._take_requests()
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            for client in [one for one in self._clients.values() if one.due <= now]:
                self._repeat(client)

    def _take_requests(self) -> None:
        for _ in range(PACKETS_AT_ONCE):
            try:
                packet, address, reached = _receive(self._port)
            except OSError:
                return
            self._begin(packet, address, reached)

    def _begin(self, packet: bytes, address: Address, reached: str) -> None:
        try:
            request = packets.parse_request(packet)
            self._check_room(address)
            handle, size = files.open_file(request.path, self._runs, self._own)
        except (BadPacketError, NoFileError) as error:
            fault = error.fault if isinstance(error, BadPacketError) else Fault.NOT_FOUND
            log.warning("%s: refused: %s", address[0], error)
            with suppress(OSError):
                self._port.sendto(packets.error(fault, str(error)), address)
            return
        if not self._makes_way(address, request.path):
            os.close(handle)
            return
        self._start(Transfer(handle, size, request.options), address, reached, request.path)

    def _check_room(self, address: Address) -> None:
        """Raise BadPacketError when a client has too many transfers, or all together."""
        own = Counter(one.address[0] for one in self._clients.values())[address[0]]
        if len(self._clients) >= MOST_TRANSFERS or own >= MOST_OF_A_CLIENT:
            raise BadPacketError("too many transfers at once", Fault.UNDEFINED)

    def _makes_way(self, address: Address, path: str) -> bool:
        """End what an earlier life of the client had asked for from this port.

        False when it just asks again as it has heard nothing yet: that is repeated in its time.
        """
        for client in [one for one in self._clients.values() if one.address == address]:
            if client.path == path and client.transfer.acked <= 0:
                return False
            self._give_up(client, "the client began anew")
        return True

    def _start(self, transfer: Transfer, address: Address, reached: str, path: str) -> None:
        link = socket.socket(self._port.family, socket.SOCK_DGRAM)
        now = monotonic()
        client = _Client(transfer, link, address, path, now, now + transfer.patience)
        self._clients[link.fileno()] = client
        try:
            link.setblocking(False)
            link.bind((reached, 0, *address[2:]))
            link.connect(address)
            self._selector.register(link, selectors.EVENT_READ)
        except OSError as error:
            log.warning("%s: cannot be answered: %s", address[0], error)
            self._end(client)
            return
        self._send(client, transfer.first())

    def _hear(self, client: _Client) -> None:
        try:
            packet = client.link.recv(packets.LONGEST_REQUEST)
            answer = packets.parse_answer(packet)
        except BadPacketError:
            return
        except OSError as error:
            self._give_up(client, str(error))
            return
        if isinstance(answer, Abort):
            self._give_up(client, f"the client says: {answer.message or answer.code}")
            return
        following = client.transfer.take(answer.block)
        if client.transfer.is_done:
            took = monotonic() - client.began
            log.info("%s: %s, %d bytes in %.2f s", *self._facts(client), took)
            self._end(client)
        elif following:
            self._send(client, following)

    def _repeat(self, client: _Client) -> None:
        again = client.transfer.repeat()
        if again is None:
            self._give_up(client, "no answer")
        else:
            self._send(client, again)

    def _send(self, client: _Client, outgoing: list[bytes]) -> None:
        client.due = monotonic() + client.transfer.patience
        try:
            for packet in outgoing:
                client.link.send(packet)
        except BlockingIOError:
            return
        except OSError as error:
            self._give_up(client, str(error))

    def _give_up(self, client: _Client, reason: str) -> None:
        log.warning("%s: %s, %d bytes: broken off: %s", *self._facts(client), reason)
        self._end(client)

    def _facts(self, client: _Client) -> tuple[str, str, int]:
        return client.address[0], client.path, client.transfer.size

    def _end(self, client: _Client) -> None:
        del self._clients[client.link.fileno()]
        with suppress(KeyError, ValueError):
            self._selector.unregister(client.link)
        client.link.close()
        os.close(client.transfer.handle)


def _listen(address: Address) -> socket.socket:
    """Return the socket for requests; raises InfrastructureError when it cannot be had."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise InfrastructureError(
            f"TFTP cannot be served at {address[0]} port {address[1]}: {error}; "
            "ports below 1024 want root or CAP_NET_BIND_SERVICE"
        ) from error
    return made


_IP_PKTINFO = 8
"""From the kernel's include/uapi/linux/in.h: interface, own address, address in the header."""


def _receive(port: socket.socket) -> tuple[bytes, Address, str]:
    """Return a packet, who sent it, and which address of this machine it was sent to."""
    packet, notes, _, sender = port.recvmsg(packets.LONGEST_REQUEST + 1, 128)
    reached = ""
    for level, kind, data in notes:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            reached = socket.inet_ntop(socket.AF_INET, data[4:8])
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            reached = socket.inet_ntop(socket.AF_INET6, data[:16])
    return packet, sender, reached or str(port.getsockname()[0])


def main(host: str, port: str) -> int:
    """Serve at that address until SIGTERM; raises InfrastructureError when it cannot be had."""
    settings = load()
    setup("tftp", settings)
    server = Server((host, int(port)), settings.bench_folder / "tftp", settings.tftp_folder)
    ends = False

    def end(*_: object) -> None:
        nonlocal ends
        ends = True

    signal.signal(signal.SIGTERM, end)
    log.info("serving at %s port %d", host, server.port)
    try:
        while not ends:
            server.turn()
    finally:
        server.close()
    return 0
