"""Pages from templates: how moments, durations, states and log lines are shown to people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from flask import render_template

from labq.domain.figures import describe_seconds, plain_decimal
from labq.domain.verdicts import Level
from labq.web.endpoint import Call

LONGEST_SHOWN = 2_000
"""Characters of one log line on a page; the raw log has all of it."""
_KINDS: Mapping[str, str] = {
    "complete": "good",
    "incomplete": "bad",
    "canceled": "warn",
    "running": "busy",
    "reserved": "busy",
    "scheduled": "busy",
    "canceling": "warn",
    "done": "good",
    "failed": "bad",
    "good": "good",
    "bad": "bad",
    "looping": "busy",
    "maintenance": "warn",
    "online": "good",
    "offline": "bad",
    "active": "good",
    "pass": "good",
    "fail": "bad",
    "skip": "warn",
}
_LEVELS = frozenset(Level)
_INDENT = re.compile(r"\n\s+")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a job's log as a page shows it; `number` counts from 0."""

    number: int
    at: str
    level: str
    text: str


class Show:
    """What templates call to show values; holds no state but the request's time."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def ago(self, moment: datetime | None) -> str:
        """Return how long ago a moment was."""
        if moment is None:
            return "never"
        seconds = (self._now - moment).total_seconds()
        for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
            if seconds >= length:
                return f"{seconds // length:.0f} {unit} ago"
        return "just now"

    def since(self, moment: datetime | None, end: datetime | None) -> str:
        """Return the time from a moment to its end, or to now."""
        if moment is None:
            return "-"
        return self.duration(((end or self._now) - moment).total_seconds())

    @staticmethod
    def moment(moment: datetime | None) -> str:
        """Return a moment in UTC to the second."""
        return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")

    @staticmethod
    def duration(seconds: float | None) -> str:
        """Return seconds as `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 5 min` or `2 d 4 h`."""
        return "-" if seconds is None else describe_seconds(max(0.0, seconds))

    @staticmethod
    def number(value: Decimal) -> str:
        """Return a measurement without trailing zeros."""
        return plain_decimal(value)

    @staticmethod
    def kind(state: StrEnum | str | None) -> str:
        """Return the colour class of a state, health, outcome or verdict."""
        return f"is-{_KINDS[state]}" if state is not None and state in _KINDS else ""


def render(call: Call, template: str, **values: object) -> str:
    """Return a page."""
    return render_template(template, show=Show(call.now), **values)


def dense(html: str) -> str:
    """Return HTML without the white space that lines begin with: much of a long table is that."""
    return _INDENT.sub("\n", html)


def log_lines(lines: Iterable[bytes], first: int) -> Iterator[LogLine]:
    """Yield the stored lines of a log that begin with line `first`."""
    for number, raw in enumerate(lines, first):
        yield _log_line(number, raw)


def _log_line(number: int, raw: bytes) -> LogLine:
    try:
        entry = json.loads(raw.strip().removeprefix(b"- "))
        level, message = str(entry["lvl"]), entry["msg"]
        at = str(entry["dt"])[11:23]
    except (ValueError, LookupError, TypeError):
        return LogLine(number, "", "debug", _shortened(raw.decode(errors="replace")))
    text = message if isinstance(message, str) else _result(message)
    return LogLine(number, at, level if level in _LEVELS else "debug", _shortened(text))


def _result(message: object) -> str:
    """Return a logged mapping on one line; a test case by its name and verdict."""
    if isinstance(message, dict) and {"case", "result"} <= message.keys():
        measured = f" {message.get('measurement')} {message.get('units', '')}".rstrip()
        figure = measured if message.get("measurement") is not None else ""
        return f"{message.get('definition', '')}/{message['case']}: {message['result']}{figure}"
    return json.dumps(message, ensure_ascii=False)


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[:LONGEST_SHOWN]} … ({len(text) - LONGEST_SHOWN} more characters in the raw log)"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a bar: where it begins and how wide it is, of 1000, and its colour class."""

    x: float
    width: float
    kind: str


def shares(counts: Iterable[tuple[str, int]]) -> list[Share]:
    """Return the parts of a bar that shows counts side by side."""
    known = [(kind, count) for kind, count in counts if count]
    total, x = sum(count for _, count in known), 0.0
    parts = []
    for kind, count in known:
        width = 1000 * count / total
        parts.append(Share(x, width, kind))
        x += width
    return parts
