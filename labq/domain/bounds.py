"""How large what a host sends may be, and which values the server can keep. Hosts keep within it.

A name is short enough to be part of a key in the database; no text has a NUL, which PostgreSQL
does not take.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from labq.domain.errors import Failure, Problem
from labq.domain.events import (
    Event,
    MessageSent,
    Report,
    ResultReported,
    StepBegan,
    StepEnded,
)

MOST_NAME_BYTES = 1024
MOST_CHANNEL_BYTES = 255
MOST_MESSAGE_BYTES = 20_000
MOST_DETAILS_BYTES = 64 * 1024
KEPT_DETAILS = 4096
"""Characters of a result's details that are kept (LAVA's limit); longer ones are trimmed."""
MOST_MESSAGE_DATA = 16 * 1024
"""Characters of what one message in a group carries."""
MOST_DIGITS = 20
"""Of a measurement, before the decimal point."""
MOST_STEPS = 10_000
MOST_RUNS = 10_000
MOST_REPORT_TEXT = 2000
LARGEST_INT = 2**31 - 1
LARGEST_LONG = 2**63 - 1
FIRST_YEAR, LAST_YEAR = 1970, 2999
MOST_SKEW = timedelta(days=1)
"""How far a host's clock may be from the life of its run as the server knows it."""
_KEPT_TEXT = 200


def cut(text: str, most_bytes: int) -> str:
    """Return the text as it may be sent: without NUL, its end replaced by dots when too long."""
    clean = text.replace("\0", "\ufffd").encode(errors="replace")
    if len(clean) <= most_bytes:
        return clean.decode()
    return clean[: most_bytes - 3].decode(errors="ignore") + "..."


def trimmed(details: Mapping[str, object]) -> dict[str, object]:
    """Return details of at most KEPT_DETAILS characters: long texts cut first, then keys left out."""
    kept = dict(details)
    if _length(kept) <= KEPT_DETAILS:
        return kept
    kept = {key: _shortened(value) for key, value in kept.items()}
    while _length(kept) > KEPT_DETAILS:
        kept.popitem()
    return kept


def fitted(event: Event) -> Event:
    """Return the event as a host may send it, its texts and details cut where they are too long."""
    match event:
        case StepEnded(failure=Failure() as failure):
            message = cut(failure.message, MOST_MESSAGE_BYTES)
            return replace(event, failure=replace(failure, message=message))
        case ResultReported():
            return replace(
                event,
                suite=cut(event.suite, MOST_NAME_BYTES),
                case=cut(event.case, MOST_NAME_BYTES),
                units=cut(event.units, MOST_NAME_BYTES),
                test_set=None if event.test_set is None else cut(event.test_set, MOST_NAME_BYTES),
                details=trimmed(event.details),
            )
        case _:
            return event


def near(at: datetime, *, earliest: datetime, latest: datetime) -> datetime:
    """Return a host's time, or the nearest that it can be when it is days away from that."""
    if at < earliest - MOST_SKEW:
        return earliest
    return latest if at > latest + MOST_SKEW else at


def is_plain_result(event: Event) -> bool:
    """Tell whether an event is a result of the ordinary kind, which has no problems.

    Nearly all that hosts send is that; the others are looked at by `event_problems`.
    """
    return (
        isinstance(event, ResultReported)
        and 0 <= event.run <= LARGEST_LONG
        and 0 <= event.epoch <= LARGEST_INT
        and 0 <= event.step <= MOST_STEPS
        and 0 <= event.offset <= LARGEST_LONG
        and 0 <= event.line <= LARGEST_INT
        and 0 <= (event.start_line or 0) <= LARGEST_INT
        and 0 <= (event.end_line or 0) <= LARGEST_INT
        and event.at.tzinfo is not None
        and FIRST_YEAR < event.at.year < LAST_YEAR
        and not event.details
        and (event.measurement is None or _is_measurement(event.measurement))
        and _are_plain(event.channel, event.suite, event.case, event.units, event.test_set or "")
    )


def event_problems(event: Event) -> Iterator[Problem]:
    """Yield what keeps an event from being stored, whatever run it is of."""
    yield from _number("run", event.run, LARGEST_LONG)
    yield from _number("epoch", event.epoch, LARGEST_INT)
    yield from _number("step", event.step, MOST_STEPS)
    yield from _moment("at", event.at)
    match event:
        case StepBegan():
            yield from _number("waited_ms", event.waited_ms, LARGEST_LONG)
            yield from _number("begins", event.begins, LARGEST_INT)
        case StepEnded():
            yield from _number("next", event.next or 0, MOST_STEPS)
            yield from _text("suspect", event.suspect, MOST_MESSAGE_BYTES)
            yield from _text("device_fault", event.device_fault, MOST_MESSAGE_BYTES)
            if event.failure:
                yield from _text("failure.message", event.failure.message, MOST_MESSAGE_BYTES)
            yield from _text("suspect", event.suspect, MOST_NAME_BYTES)
        case MessageSent():
            yield from _number("offset", event.offset, LARGEST_LONG)
            yield from _text("name", event.name, MOST_NAME_BYTES)
            yield from _json("data", dict(event.data), MOST_MESSAGE_DATA)
        case ResultReported():
            yield from _result_problems(event)


def report_problems(report: Report) -> Iterator[Problem]:
    """Yield what keeps a report from being taken."""
    yield from _moment("at", report.at)
    for name in ("boot", "order", "generation", "version"):
        yield from _text(name, getattr(report, name), MOST_CHANNEL_BYTES)
    for name in ("runs", "slots", "waits", "parts", "notices"):
        if (count := len(getattr(report, name))) > MOST_RUNS:
            yield Problem(name, f"{count} entries; at most {MOST_RUNS} are read")
    for run in report.runs:
        yield from _number("runs.epoch", run.epoch, LARGEST_INT)
        yield from _number("runs.next", run.next, MOST_STEPS)
        yield from _number("runs.back", run.back or 0, MOST_STEPS)
        yield from _number("runs.heard", run.heard or 0, LARGEST_INT)
    if bad := next(_unstorable(asdict(report), MOST_REPORT_TEXT), None):
        yield Problem("report", bad)


def text_problem(text: str, most_bytes: int) -> str | None:
    """Return what keeps a text from being stored, None for a good one."""
    if "\0" in text:
        return "has a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not Unicode text"
    return f"{size} bytes; at most {most_bytes} are taken" if size > most_bytes else None


def _result_problems(event: ResultReported) -> Iterator[Problem]:
    yield from _text("channel", event.channel, MOST_CHANNEL_BYTES)
    for name in ("suite", "case", "units", "test_set"):
        yield from _text(name, getattr(event, name) or "", MOST_NAME_BYTES)
    yield from _number("offset", event.offset, LARGEST_LONG)
    for name in ("line", "start_line", "end_line"):
        yield from _number(name, getattr(event, name) or 0, LARGEST_INT)
    if event.measurement is not None and not _is_measurement(event.measurement):
        message = f"must be a finite number of at most {MOST_DIGITS} digits before the point"
        yield Problem("measurement", message)
    yield from _json("details", dict(event.details))


def _is_measurement(value: Decimal) -> bool:
    return value.is_finite() and value.adjusted() < MOST_DIGITS


def _are_plain(*texts: str) -> bool:
    """Tell whether texts are short and of printable ASCII together."""
    joined = "".join(texts)
    return len(joined) < MOST_CHANNEL_BYTES and joined.isascii() and joined.isprintable()


def _number(where: str, number: int, most: int) -> Iterator[Problem]:
    if not 0 <= number <= most:
        yield Problem(where, f"{number} is out of range: 0 to {most}")


def _finite(where: str, number: float) -> Iterator[Problem]:
    if not math.isfinite(number):
        yield Problem(where, "must be a finite number")


def _moment(where: str, moment: datetime) -> Iterator[Problem]:
    if moment.tzinfo is None:
        yield Problem(where, "the time has no zone")
    elif not FIRST_YEAR <= _utc_year(moment) <= LAST_YEAR:
        yield Problem(where, f"the year is not between {FIRST_YEAR} and {LAST_YEAR}")


def _utc_year(moment: datetime) -> int:
    try:
        return moment.astimezone(UTC).year
    except OverflowError:
        return 0


def _text(where: str, text: str, most_bytes: int) -> Iterator[Problem]:
    if problem := text_problem(text, most_bytes):
        yield Problem(where, problem)


def _json(
    where: str, value: Mapping[str, object], most: int = MOST_DETAILS_BYTES
) -> Iterator[Problem]:
    """Check a JSON object whose depth its parser has bounded."""
    if bad := next(_unstorable(value, most), None):
        yield Problem(where, bad)
    elif (size := _length(value)) > most:
        yield Problem(where, f"{size} characters; at most {most} are taken")


def _unstorable(value: object, most_bytes: int) -> Iterator[str]:
    """Yield what is wrong with the texts and numbers of a JSON value."""
    for leaf in _leaves(value):
        if isinstance(leaf, str) and (problem := text_problem(leaf, most_bytes)):
            yield problem
        elif isinstance(leaf, float) and not math.isfinite(leaf):
            yield "has a number that is not finite"
        elif isinstance(leaf, int) and abs(leaf) > LARGEST_LONG:
            yield "has a number that is out of range"


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _length(value: Mapping[str, object]) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= _KEPT_TEXT else f"{value[: _KEPT_TEXT - 3]}..."
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value
