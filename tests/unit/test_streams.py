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
    assert streams.load_event_batch(streams.dump_event_batch(a_batch())) == a_batch()


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
        streams.dump_event_batch(a_batch()).replace(b'"run":1', b'"run":-1'),
        streams.dump_event_batch(a_batch()).replace(b'"run":1', b'"run":9223372036854775808'),
        streams.dump_event_batch(a_batch()).replace(b"00:00:00Z", b"00:00:00"),
        streams.dump_event_batch(a_batch()).replace(b'"began"', b'"begun"'),
        b" " * (streams.MOST_BYTES + 1),
    ],
)
def test_a_bad_batch_is_refused(data):
    with pytest.raises(InvalidInputError):
        streams.load_event_batch(data)
