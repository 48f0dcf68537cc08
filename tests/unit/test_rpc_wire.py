"""XML-RPC as bytes: what is read, what is refused, what an answer may carry."""

from __future__ import annotations

import gzip
from contextlib import suppress
from datetime import UTC, datetime
from xmlrpc.client import Fault, dumps, loads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.web.lava import wire
from labq.web.lava.wire import Asked

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<methodCall><methodName>a</methodName><params><param><value>&lol2;</value></param></params></methodCall>
"""
NUMBER = (
    b"<methodCall><methodName>a</methodName><params><param><value><int>%s</int></value></param>"
    b"</params></methodCall>"
)
EXTERNAL = b"""<?xml version="1.0"?>
<!DOCTYPE a SYSTEM "file:///etc/passwd">
<methodCall><methodName>a</methodName></methodCall>
"""


def refused(data: bytes) -> Fault:
    """Return the fault for a call that is not read."""
    with pytest.raises(Fault) as caught:
        wire.read_call(data)
    return caught.value


def test_a_call_is_read_with_all_types() -> None:
    arguments = (1, "two", True, None, 2.5, b"bytes", [1, [2]], {"a": {"b": 3}})
    found = wire.read_call(dumps(arguments, "scheduler.jobs.show", allow_none=True).encode())
    assert found == Asked("scheduler.jobs.show", arguments)


@pytest.mark.parametrize("data", [BOMB, EXTERNAL])
def test_a_document_type_is_refused_and_nothing_is_expanded(data: bytes) -> None:
    fault = refused(data)
    assert fault.faultCode == wire.NO_CALL
    assert "document type" in fault.faultString


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense",
        b"<methodCall>",
        b"<?xml version='1.0' encoding='nope'?><a/>",
        NUMBER % b"x",
        NUMBER % (b"9" * 5000),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_xml_is_refused(data: bytes) -> None:
    assert refused(data).faultCode == wire.UNREADABLE


@pytest.mark.parametrize(
    "data",
    [b"<a/>", b"<methodCall/>", dumps((1,), methodresponse=True).encode(), dumps((1,)).encode()],
)
def test_xml_that_is_no_call_is_refused(data: bytes) -> None:
    assert refused(data).faultCode == wire.NO_CALL


def test_a_deep_document_is_refused() -> None:
    value = "<value><array><data>" * 1000 + "</data></array></value>" * 1000
    body = f"<methodCall><methodName>a</methodName><params><param>{value}</param></params></methodCall>"
    fault = refused(body.encode())
    assert fault.faultCode == wire.NO_CALL
    assert "levels deep" in fault.faultString


def test_a_gzipped_body_is_unpacked_within_bounds() -> None:
    assert wire.unpack(gzip.compress(b"<a/>")) == b"<a/>"
    for body in (gzip.compress(b" " * (wire.LARGEST_CALL_BYTES + 1)), gzip.compress(b"<a/>")[:-4]):
        with pytest.raises(Fault, match="once unpacked"):
            wire.unpack(body)
    with pytest.raises(Fault, match="Unable to decode"):
        wire.unpack(b"no gzip")


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_call_or_in_a_fault(data: bytes) -> None:
    with suppress(Fault):
        assert wire.read_call(data).method


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]) | st.sampled_from("\t\r\n")))
def test_any_text_comes_as_it_was_sent(text: str) -> None:
    (found,), _ = loads(wire.write_answer(text))
    assert found == text


def test_characters_that_xml_cannot_carry_are_replaced() -> None:
    (found,), _ = loads(wire.write_answer({"error_msg": "bell \a, escape \x1b[0m, half \ud800"}))
    assert found == {"error_msg": "bell \ufffd, escape \ufffd[0m, half \ufffd"}


def test_moments_are_written_in_utc_and_nothing_as_nil() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = wire.write_answer([moment, None]).decode()
    assert "<dateTime.iso8601>20260102T03:04:05</dateTime.iso8601>" in text
    assert "<nil/>" in text


def test_a_fault_is_an_answer() -> None:
    with pytest.raises(Fault) as caught:
        loads(wire.write_fault(Fault(404, "not <here>")))
    assert (caught.value.faultCode, caught.value.faultString) == (404, "not <here>")
