"""XML-RPC as bytes: calls read safely and within bounds, answers written so that any client reads them.

A call has no document type, so no entities; it is bounded in size, in depth, and when it is unpacked.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import (
    Fault,
    ResponseError,
    Unmarshaller,
    dumps,
)

from defusedxml.common import DefusedXmlException
from defusedxml.xmlrpc import DefusedExpatParser
from typing_extensions import override

LARGEST_CALL_BYTES = 2 * 1024 * 1024
DEEPEST = 64
NO_CALL, UNKNOWN_METHOD, BAD_ARGUMENTS, OUR_FAULT = -32600, -32601, -32602, -32603
UNREADABLE = -32603
"""LAVA's codes; for what is no XML the same as for a fault of its own."""
# What XML 1.0 cannot carry, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as it was sent: numbers, texts, bytes, moments, lists, dicts and None."""

    method: str
    arguments: tuple[object, ...]


class _Reader(Unmarshaller):
    """Builds values out of elements, but not out of any depth of them."""

    def __init__(self) -> None:
        super().__init__(use_builtin_types=True)
        self._depth = 0

    @override
    def start(self, tag: str, attrs: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Fault(NO_CALL, f"Unable to decode request: more than {DEEPEST} levels deep")
        super().start(tag, attrs)

    @override
    def end(self, tag: str) -> None:
        self._depth -= 1
        super().end(tag)


def read_call(data: bytes) -> Asked:
    """Return the call in an XML document; raises Fault."""
    reader = _Reader()
    try:
        parser = DefusedExpatParser(reader, forbid_dtd=True)
        parser.feed(data)
        parser.close()
        arguments, method = reader.close(), reader.getmethodname()
    except (Fault, ResponseError) as error:
        text = error.faultString if isinstance(error, Fault) else "not a call"
        raise Fault(NO_CALL, text) from error
    except DefusedXmlException as error:
        raise Fault(NO_CALL, "Unable to decode request: it has a document type") from error
    except Exception as error:
        # The standard library's reader raises whatever its conversions raise, of a dozen types.
        raise Fault(UNREADABLE, f"Unable to decode request: {error}") from error
    if method is None:
        raise Fault(NO_CALL, "Unable to decode request: not a call")
    return Asked(method, tuple(arguments))


def unpack(data: bytes) -> bytes:
    """Return what a gzipped body holds; raises Fault when that is too much, or no gzip."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        found = unpacker.decompress(data, LARGEST_CALL_BYTES)
    except zlib.error as error:
        raise Fault(UNREADABLE, f"Unable to decode request: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        message = f"more than {LARGEST_CALL_BYTES} bytes once unpacked, or cut off"
        raise Fault(NO_CALL, f"Unable to decode request: {message}")
    return found


def write_answer(value: Any) -> bytes:
    """Return the answer with a value; characters that XML cannot carry are replaced."""
    return _encoded(dumps((value,), methodresponse=True, allow_none=True))


def write_fault(fault: Fault) -> bytes:
    """Return the answer that says what went wrong."""
    return _encoded(dumps(fault, methodresponse=True))


def _encoded(text: str) -> bytes:
    # A bare carriage return is read as a line feed; answers have none but those of values.
    return _NOT_XML.sub("\ufffd", text).replace("\r", "&#13;").encode()
