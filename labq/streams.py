"""The Redis streams between server and hosts: their names, their keys and the bytes in them.

What is read is treated like a stranger's: bounded, strict, InvalidInputError for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

import zstandard
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.events import Event, EventBatch, LogChunk, Report, ResultReported, StepEnded
from labq.domain.orders import Order

GENERATION_KEY = "labq.generation"
ORDER_FIELD = "o"
EVENTS_FIELD = "e"
REPORT_FIELD = "r"
CHUNK_BYTES = 256 * 1024
"""The most bytes of a log, uncompressed, in one chunk."""
MOST_BYTES = 16 * 1024 * 1024
MOST_EVENTS = 1000
_MOST_NUMBER = 2**63 - 1
_T = TypeVar("_T")


def orders_stream(host: str) -> str:
    """Return the stream of orders that a host reads."""
    return f"{host}.orders"


def up_stream(host: str) -> str:
    """Return the stream of events and reports that a host writes."""
    return f"{host}.up"


def log_stream(host: str) -> str:
    """Return the stream of log chunks that a host writes."""
    return f"{host}.log"


class _Batch(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    first: int = Field(ge=1, le=_MOST_NUMBER)
    events: tuple[Annotated[Event, Field(discriminator="kind")], ...] = Field(
        min_length=1, max_length=MOST_EVENTS
    )


_PARSED_BATCH = TypeAdapter(_Batch)
_BATCH: TypeAdapter[EventBatch] = TypeAdapter(EventBatch)
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def dump_event(event: Event) -> bytes:
    """Return one event as JSON on one line."""
    return _EVENT.dump_json(event)


def load_event(data: bytes) -> Event:
    """Return the event in JSON bytes; raises InvalidInputError."""
    event = _parse(_EVENT, data)
    _check_event(event, "event")
    return event


def dump_event_batch(batch: EventBatch) -> bytes:
    """Return the field `e` of an entry of `<host>.up`."""
    return _BATCH.dump_json(batch)


def load_event_batch(data: bytes) -> EventBatch:
    """Return the batch in the field `e`; raises InvalidInputError."""
    parsed = _parse(_PARSED_BATCH, data)
    for index, event in enumerate(parsed.events):
        _check_event(event, f"events[{index}]")
    return EventBatch(first=parsed.first, events=parsed.events)


def dump_report(report: Report) -> bytes:
    """Return the field `r` of an entry of `<host>.up`."""
    return _REPORT.dump_json(report)


def load_report(data: bytes) -> Report:
    """Return the report in the field `r`; raises InvalidInputError."""
    report = _parse(_REPORT, data)
    _check_aware(report.at, "at")
    for index, run in enumerate(report.runs):
        _check_numbers(f"runs[{index}]", run.run, run.epoch, run.next, run.idle_ms)
    return report


def dump_order(order: Order) -> bytes:
    """Return the field `o` of an entry of `<host>.orders`."""
    return _ORDER.dump_json(order)


def load_order(data: bytes) -> Order:
    """Return the order in the field `o`; raises InvalidInputError."""
    return _parse(_ORDER, data)


def log_entry(run: int, offset: int, raw: bytes) -> dict[str, bytes]:
    """Return the fields of an entry of `<host>.log` for at most CHUNK_BYTES of a run's log."""
    data = zstandard.ZstdCompressor(level=1).compress(raw)
    return {"run": b"%d" % run, "offset": b"%d" % offset, "data": data}


def load_log_chunk(fields: Mapping[bytes, bytes]) -> LogChunk:
    """Return the chunk in the fields of an entry of `<host>.log`; raises InvalidInputError."""
    try:
        run, offset = int(fields[b"run"]), int(fields[b"offset"])
        data = fields[b"data"]
    except (KeyError, ValueError) as error:
        raise _invalid("log chunk", str(error)) from error
    _check_numbers("log chunk", run, offset)
    return LogChunk(run=run, offset=offset, data=data)


def unpack_log(chunk: LogChunk) -> bytes:
    """Return the uncompressed bytes of a chunk; raises InvalidInputError over CHUNK_BYTES."""
    try:
        size = zstandard.frame_content_size(chunk.data)
        if not 0 <= size <= CHUNK_BYTES:
            raise _invalid("data", f"{size} bytes uncompressed; at most {CHUNK_BYTES} are taken")
        return zstandard.ZstdDecompressor().decompress(chunk.data)
    except zstandard.ZstdError as error:
        raise _invalid("data", str(error)) from error


def _parse(adapter: TypeAdapter[_T], data: bytes) -> _T:
    if len(data) > MOST_BYTES:
        raise _invalid("", f"{len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        return adapter.validate_json(data, strict=True)
    except ValidationError as error:
        raise InvalidInputError([_problem(item) for item in error.errors()]) from error


def _problem(item: Mapping[str, object]) -> Problem:
    where = item["loc"]
    parts = where if isinstance(where, tuple) else (where,)
    return Problem(".".join(str(part) for part in parts), str(item["msg"]))


def _check_event(event: Event, where: str) -> None:
    _check_numbers(where, event.run, event.epoch, event.step)
    _check_aware(event.at, f"{where}.at")
    if isinstance(event, ResultReported):
        _check_numbers(where, event.offset, event.line)
        _check_numbers(where, event.start_line or 0, event.end_line or 0)
    if isinstance(event, StepEnded):
        _check_numbers(where, event.next or 0)


def _check_numbers(where: str, *numbers: int) -> None:
    if not all(0 <= number <= _MOST_NUMBER for number in numbers):
        raise _invalid(where, f"a number is out of range: {numbers}")


def _check_aware(moment: datetime, where: str) -> None:
    if moment.tzinfo is None:
        raise _invalid(where, "the time has no zone")


def _invalid(path: str, message: str) -> InvalidInputError:
    return InvalidInputError([Problem(path, message)])
