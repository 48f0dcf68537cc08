"""What travels on the streams comes back equal, and strangers' bytes are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from labq import streams
from labq.domain.errors import ErrorType, Failure, InvalidInputError
from labq.domain.events import (
    EventBatch,
    HoldState,
    LogChunk,
    Report,
    ResultReported,
    RunReport,
    SlotReport,
    StepBegan,
    StepEnd,
    StepEnded,
)
from labq.domain.orders import AgainOrder, ConfirmOrder, GenerationOrder, RunOrder, StoredOrder
from labq.domain.verdicts import Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_batch() -> EventBatch:
    where = {"run": 1, "epoch": 1, "step": 2, "at": AT}
    result = ResultReported(
        **where,
        channel="main",
        offset=7,
        line=3,
        suite="0_smoke",
        case="boot",
        verdict=Verdict.PASS,
        measurement=Decimal("1.50"),
        details={"a": [1, {"b": None}]},
    )
    failure = Failure(type=ErrorType.JOB, message="no prompt")
    return EventBatch(
        first=9,
        events=(
            StepBegan(**where, waited_ms=4, begins=1),
            result,
            StepEnded(**where, end=StepEnd.FAILED, next=4, failure=failure),
        ),
    )


def test_a_batch_of_events_comes_back_equal():
    received = streams.load_event_batch(streams.dump_event_batch(a_batch()))
    assert (received.first, received.events) == (9, a_batch().events)
    assert received.last == 11


def test_a_report_comes_back_equal():
    report = Report(
        boot="b",
        number=1,
        sequence=2,
        order="1-0",
        generation="g",
        at=AT,
        version="0",
        runs=(RunReport(run=1, epoch=1, next=0, state=HoldState.HELD),),
        slots={"boot": SlotReport(limit=1, used=1, waiting=0)},
    )
    assert streams.load_report(streams.dump_report(report)) == report


@pytest.mark.parametrize(
    "order",
    [
        RunOrder(run=1, epoch=1, next=0, device="d", digest="x", plan="{}"),
        ConfirmOrder(sequence=3),
        AgainOrder(sequence=3),
        StoredOrder(run=1, length=5),
        GenerationOrder(generation="g"),
    ],
)
def test_each_order_comes_back_equal(order):
    assert streams.load_order(streams.dump_order(order)) == order


def test_a_log_chunk_comes_back_equal():
    fields = streams.log_entry(4, 10, b"line\n" * 1000)
    chunk = streams.load_log_chunk({key.encode(): value for key, value in fields.items()})
    assert (chunk.run, chunk.offset) == (4, 10)
    assert streams.unpack_log(chunk) == b"line\n" * 1000


def test_a_log_chunk_that_unpacks_to_too_much_is_refused():
    fields = streams.log_entry(4, 0, bytes(streams.CHUNK_BYTES + 1))
    with pytest.raises(InvalidInputError):
        streams.unpack_log(LogChunk(run=4, offset=0, data=fields["data"]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"first":0,"events":[]}',
        b'{"first":9223372036854775808,"events":[{}]}',
        b'{"first":1,"events":[' + b"{}," * streams.MOST_EVENTS + b"{}]}",
        b'{"first":1,"events":[{"kind":"\\ud800"}]}',
        b'{"first":1,"events":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b" " * (streams.MOST_UP_BYTES + 1),
    ],
)
def test_what_is_no_batch_is_refused(data):
    with pytest.raises(InvalidInputError):
        streams.load_event_batch(data)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"run":1', b'"run":-1', "run: -1 is out of range"),
        (b'"run":1', b'"run":9223372036854775808', "out of range"),
        (b'"epoch":1', b'"epoch":2147483648', "epoch: 2147483648 is out of range"),
        (b'"step":2', b'"step":100000', "step: 100000 is out of range"),
        (b"2026-01-01T00:00:00Z", b"2026-01-01T00:00:00", "no zone"),
        (b"2026-01-01T00:00:00Z", b"9999-12-31T23:59:59-23:59", "the year"),
        (b"2026-01-01T00:00:00Z", b"0001-01-01T00:00:00+23:59", "the year"),
        (b'"began"', b'"begun"', "began"),
        (b'"boot"', b'"nul \\u0000"', "case: has a NUL character"),
        (b'"boot"', b'"' + "ä".encode() * 513 + b'"', "case: 1026 bytes; at most 1024"),
        (b'"main"', b'"' + b"c" * 256 + b'"', "channel: 256 bytes"),
        (b'"1.50"', b'"1e20"', "measurement: must be a finite number"),
        (b'"1.50"', b'"1e999999999"', "measurement: must be a finite number"),
        (b'"1.50"', b'"NaN"', "finite"),
        (b'"line":3', b'"line":2147483648', "line: 2147483648 is out of range"),
        (b'"a":[1,', b'"a":[NaN,', "details: has a number that is not finite"),
        (b'"a":[1,', b'"a":[1e999,', "details: has a number that is not finite"),
        (b'"a":[1,', b'"a":[99999999999999999999,', "details: has a number that is out of range"),
        (b'"b":null', b'"b\\u0000":null', "details: has a NUL character"),
        (b'"b":null', b'"b":"' + b"x" * 70_000 + b'"', "details: 70000 bytes"),
        (b'"no prompt"', b'"' + b"x" * 20_001 + b'"', "failure.message: 20001 bytes"),
        (b'"next":4', b'"next":-4', "next: -4 is out of range"),
        (b'"begins":1', b'"begins":2147483648', "begins"),
    ],
)
def test_a_bad_event_keeps_its_number_and_spoils_no_other(old, new, reason):
    data = streams.dump_event_batch(a_batch())
    assert old in data
    received = streams.load_event_batch(data.replace(old, new))
    bad = [one for one in received.events if isinstance(one, streams.BadEvent)]
    assert (received.first, len(received.events)) == (9, 3)
    assert bad
    assert all(reason in one.reason for one in bad)


def a_report(**changes):
    values = {
        "boot": "b",
        "number": 1,
        "sequence": 2,
        "order": "1-0",
        "generation": "g",
        "at": AT,
        "version": "0",
        "runs": (RunReport(run=1, epoch=1, next=0, state=HoldState.HELD),),
        "slots": {"boot": SlotReport(limit=1, used=1, waiting=0)},
    }
    return Report(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "1\0"}, "version: has a NUL character"),
        ({"order": "9" * 300}, "order: 300 bytes"),
        ({"at": AT.replace(year=3000)}, "the year"),
        ({"slots": {"\0": SlotReport(limit=1, used=1, waiting=0)}}, "NUL"),
        ({"slots": {"boot": SlotReport(limit=2**63, used=1, waiting=0)}}, "out of range"),
        ({"sequence": 2**63}, "out of range"),
        ({"runs": (RunReport(run=1, epoch=2**31, next=0, state=HoldState.HELD),)}, "runs.epoch"),
        ({"runs": (RunReport(run=1, epoch=1, next=-1, state=HoldState.HELD),)}, "runs.next"),
    ],
)
def test_a_report_that_the_server_could_not_keep_is_refused(changes, reason):
    with pytest.raises(InvalidInputError, match=reason):
        streams.load_report(streams.dump_report(a_report(**changes)))


def test_fields_of_a_newer_host_are_left_out():
    data = streams.dump_event_batch(a_batch()).replace(b'"run":1', b'"run":1,"mood":"fine"')
    assert streams.load_event_batch(data).events == a_batch().events
    data = streams.dump_report(a_report()).replace(b'"boot":"b"', b'"mood":"fine","boot":"b"')
    assert streams.load_report(data) == a_report()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"run": b"1", b"offset": b"-5", b"data": b""},
        {b"run": b"1_0", b"offset": b"5", b"data": b""},
        {b"run": "\u0661".encode(), b"offset": b"5", b"data": b""},
        {b"run": b"9" * 5000, b"offset": b"5", b"data": b""},
        {b"run": b"1", b"offset": b"9223372036854775808", b"data": b""},
        {b"run": b"1", b"offset": b"5", b"data": bytes(streams.PACKED_BYTES + 1)},
    ],
)
def test_what_is_no_chunk_is_refused(fields):
    with pytest.raises(InvalidInputError):
        streams.load_log_chunk(fields)


def test_a_frame_that_lies_about_its_length_is_refused():
    honest = streams.log_entry(4, 0, bytes(1000))["data"]
    # The content size stands behind magic number and descriptor, and counts from 256.
    assert honest[4] >> 6 == 1
    forged = honest[:5] + (10).to_bytes(2, "little") + honest[7:]
    with pytest.raises(InvalidInputError):
        streams.unpack_log(LogChunk(run=4, offset=0, data=forged))
