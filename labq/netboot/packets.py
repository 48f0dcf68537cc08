"""Packets of TFTP: RFC 1350, with the options of RFC 2347, 2348, 2349 and 7440."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

LONGEST_REQUEST = 1024
"""Bytes; RFC 2347 allows 512, some boot loaders send long paths."""
SMALLEST_BLOCK, LARGEST_BLOCK, USUAL_BLOCK = 8, 65464, 512
LARGEST_WINDOW = 65535


class Kind(IntEnum):
    """The first two bytes of a packet."""

    READ = 1
    WRITE = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OPTIONS = 6


class Fault(IntEnum):
    """The codes of an ERROR packet."""

    UNDEFINED = 0
    NOT_FOUND = 1
    ACCESS = 2
    FULL = 3
    ILLEGAL = 4
    UNKNOWN_TRANSFER = 5
    OPTION = 8


class BadPacketError(ValueError):
    """What came is no packet that a client may send; `fault` is what it is told."""

    def __init__(self, message: str, fault: Fault = Fault.ILLEGAL) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Request:
    """A read request: names of options are in lower case."""

    path: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    """A block that arrived."""

    block: int


@dataclass(frozen=True, slots=True)
class Abort:
    """The client wants no more, or not these options."""

    code: int
    message: str


def parse_request(packet: bytes) -> Request:
    """Return what a client asks for first; raises BadPacketError."""
    kind = _kind(packet)
    if kind == Kind.WRITE:
        raise BadPacketError("files are only read here", Fault.ACCESS)
    if kind != Kind.READ:
        raise BadPacketError("no transfer goes on with this port", Fault.UNKNOWN_TRANSFER)
    words = packet[2:].split(b"\0")
    if len(packet) > LONGEST_REQUEST or len(words) < 3 or words[-1]:
        raise BadPacketError("a read request is a path, a mode and options, each ended by a zero")
    path, mode, *rest = (word.decode(errors="replace") for word in words[:-1])
    if mode.lower() != "octet":
        raise BadPacketError(f"mode {mode[:20]!r} is not served, octet is")
    return Request(path, dict(zip(map(str.lower, rest[::2]), rest[1::2], strict=False)))


def parse_answer(packet: bytes) -> Ack | Abort:
    """Return what a client sends during a transfer; raises BadPacketError."""
    kind = _kind(packet)
    if kind == Kind.ACK and len(packet) >= 4:
        return Ack(int.from_bytes(packet[2:4], "big"))
    if kind == Kind.ERROR and len(packet) >= 4:
        text = packet[4:204].partition(b"\0")[0].decode(errors="replace")
        return Abort(int.from_bytes(packet[2:4], "big"), text)
    raise BadPacketError("neither an acknowledgement nor an error")


def _kind(packet: bytes) -> int:
    if len(packet) < 2:
        raise BadPacketError("shorter than two bytes")
    return int.from_bytes(packet[:2], "big")


def data(block: int, content: bytes) -> bytes:
    """Return a DATA packet; `block` counts from 1 and goes on with 0 after 65535."""
    return struct.pack("!HH", Kind.DATA, block & 0xFFFF) + content


def error(fault: Fault, message: str) -> bytes:
    """Return an ERROR packet."""
    return struct.pack("!HH", Kind.ERROR, fault) + message[:200].encode(errors="replace") + b"\0"


def options(agreed: Mapping[str, int]) -> bytes:
    """Return an OACK packet."""
    words = [text for name, value in agreed.items() for text in (name, str(value))]
    return struct.pack("!H", Kind.OPTIONS) + b"".join(word.encode() + b"\0" for word in words)


def agree(asked: Mapping[str, str], size: int) -> dict[str, int]:
    """Return the options of a request that are taken, with the values that hold.

    Unknown ones, and values that make no sense, are left out: the client goes on without them.
    """
    limits = {
        "blksize": (SMALLEST_BLOCK, LARGEST_BLOCK),
        "timeout": (1, 255),
        "windowsize": (1, LARGEST_WINDOW),
    }
    agreed: dict[str, int] = {}
    for name, text in asked.items():
        if name == "tsize":
            agreed[name] = size
        elif name in limits and text.isascii() and text.isdigit():
            least, most = limits[name]
            value = int(text[:9])
            if value >= least:
                agreed[name] = min(value, most)
    return agreed
