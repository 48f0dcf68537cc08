"""The Redis streams between server and hosts: their names, their keys and the bytes in them.

What is read is treated like a stranger's: bounded, strict, InvalidInputError for anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, TypeVar

import zstandard
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from labq.domain.bounds import event_problems, is_plain_result, report_problems
from labq.domain.errors import InvalidInputError, Problem
from labq.domain.events import Event, EventBatch, LogChunk, Report
from labq.domain.orders import Order

GENERATION_KEY = "labq.generation"
ORDER_FIELD = "o"
EVENTS_FIELD = "e"
REPORT_FIELD = "r"
CHUNK_BYTES = 256 * 1024
"""The most bytes of a log, uncompressed, in one chunk."""
PACKED_BYTES = CHUNK_BYTES + 64 * 1024
"""The most bytes of a chunk as it is sent: what does not shrink grows a little."""
MOST_BYTES = 16 * 1024 * 1024
MOST_UP_BYTES = 4 * 1024 * 1024
"""The most bytes of an entry of `<host>.up`; hosts send smaller ones."""
MOST_EVENTS = 1000
MOST_PROBLEMS = 10
_MOST_NUMBER = 2**63 - 1
_DIGITS = re.compile(rb"[0-9]{1,19}")
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


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An event that cannot be taken: what it was, and why not. It has its number all the same."""

    payload: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """What a host sent as consecutive events, the first with sequence `first`."""

    first: int
    events: tuple[Event | BadEvent, ...]

    @property
    def last(self) -> int:
        """Return the sequence of the last one."""
        return self.first + len(self.events) - 1


class _Batch(BaseModel):
    model_config = ConfigDict(strict=True)
    first: int = Field(ge=1, le=_MOST_NUMBER)
    events: tuple[Annotated[Event, Field(discriminator="kind")], ...] = Field(
        min_length=1, max_length=MOST_EVENTS
    )


class _LooseBatch(BaseModel):
    model_config = ConfigDict(strict=True)
    first: int = Field(ge=1, le=_MOST_NUMBER)
    events: tuple[Any, ...] = Field(min_length=1, max_length=MOST_EVENTS)


_PARSED_BATCH = TypeAdapter(_Batch)
_LOOSE_BATCH = TypeAdapter(_LooseBatch)
_BATCH: TypeAdapter[EventBatch] = TypeAdapter(EventBatch)
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)
_ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def dump_event(event: Event) -> bytes:
    """Return one event as JSON on one line."""
    return _EVENT.dump_json(event)


def load_event(data: bytes) -> Event:
    """Return the event in JSON bytes that a host wrote for itself; raises InvalidInputError."""
    return _parse(_EVENT, data)


def dump_event_batch(batch: EventBatch) -> bytes:
    """Return the field `e` of an entry of `<host>.up`."""
    return _BATCH.dump_json(batch)


def load_event_batch(data: bytes) -> ReceivedBatch:
    """Return the batch in the field `e`; raises InvalidInputError for what is none.

    A bad event among good ones is a BadEvent, so that a host is never stuck at it.
    """
    try:
        batch = _parse(_PARSED_BATCH, data, MOST_UP_BYTES)
        return ReceivedBatch(batch.first, tuple(map(_checked, batch.events)))
    except InvalidInputError:
        loose = _parse(_LOOSE_BATCH, data, MOST_UP_BYTES)
        return ReceivedBatch(loose.first, tuple(map(_received, loose.events)))


def dump_report(report: Report) -> bytes:
    """Return the field `r` of an entry of `<host>.up`."""
    return _REPORT.dump_json(report)


def load_report(data: bytes) -> Report:
    """Return the report in the field `r`; raises InvalidInputError."""
    report = _parse(_REPORT, data, MOST_UP_BYTES)
    _refuse(report_problems(report))
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
    data = fields.get(b"data", b"")
    if len(data) > PACKED_BYTES:
        raise _invalid("data", f"{len(data)} bytes; at most {PACKED_BYTES} are taken")
    return LogChunk(run=_number(fields, b"run"), offset=_number(fields, b"offset"), data=data)


def unpack_log(chunk: LogChunk) -> bytes:
    """Return the uncompressed bytes of a chunk; raises InvalidInputError over CHUNK_BYTES.

    The frame says how long it is, and no more memory than that is used for it.
    """
    try:
        size = zstandard.frame_content_size(chunk.data)
        if not 0 <= size <= CHUNK_BYTES:
            raise _invalid("data", f"{size} bytes uncompressed; at most {CHUNK_BYTES} are taken")
        return zstandard.ZstdDecompressor().decompress(chunk.data)
    except zstandard.ZstdError as error:
        raise _invalid("data", str(error)) from error


def _checked(event: Event) -> Event | BadEvent:
    if is_plain_result(event):
        return event
    problem = next(event_problems(event), None)
    return BadEvent(dump_event(event).decode(), problem.describe()) if problem else event


def _received(value: object) -> Event | BadEvent:
    """Return one event of a batch in which some are bad."""
    data = json.dumps(value).encode()
    try:
        return _checked(_parse(_EVENT, data))
    except InvalidInputError as error:
        return BadEvent(data.decode(), str(error))


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int:
    text = fields.get(name, b"")
    if not _DIGITS.fullmatch(text) or int(text) > _MOST_NUMBER:
        raise _invalid(name.decode(), f"{text[:40]!r} is not a number from 0 to {_MOST_NUMBER}")
    return int(text)


def _parse(adapter: TypeAdapter[_T], data: bytes, most: int = MOST_BYTES) -> _T:
    if len(data) > most:
        raise _invalid("", f"{len(data)} bytes; at most {most} are read")
    try:
        return adapter.validate_json(data, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        raise InvalidInputError([_problem(item) for item in found]) from error


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise the first problems, if there are any."""
    if found := list(islice(problems, MOST_PROBLEMS)):
        raise InvalidInputError(found)


def _problem(item: Mapping[str, object]) -> Problem:
    where = item["loc"]
    parts = where if isinstance(where, tuple) else (where,)
    return Problem(".".join(str(part)[:40] for part in parts), str(item["msg"])[:400])


def _invalid(path: str, message: str) -> InvalidInputError:
    return InvalidInputError([Problem(path, message)])
