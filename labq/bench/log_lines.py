"""Journal records to log lines of LAVA's form, as a pure function with the state of open lines.

`- {"dt": "2026-01-01T00:00:00.123456+00:00", "lvl": "target", "msg": "..."}`: one line for each
line of text. Work is done on whole blocks by the regular expression and JSON code written in C.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import cast

from labq.benchlink.records import Kind, Record
from labq.domain.masking import Masks
from labq.domain.plan import Plan

LONGEST_LINE = 100_000
_LONGEST_OPEN = 4 * LONGEST_LINE + 4
TOO_LONG = "<line way too long ...>"

# ECMA-48: control sequences (ESC [), strings up to BEL or ST (ESC ] P X ^ _), other escapes.
# A string whose end is not in its line is noise: the line's text after it stays.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])?"
)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
_LINE_END = re.compile(rb"\r*\n\r*")
# What YAML does not allow as it is, or takes for a line end.
_FORBIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Shown:
    """Which channel a step works at, where it is not the primary one; the namespaces of channels."""

    at_steps: Mapping[int, str] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Shown:
        """Return what a plan says."""
        return cls(
            {step.index: step.channel for step in plan.steps if step.channel},
            {spec.channel: spec.namespace for spec in plan.consoles if spec.namespace},
        )


class LogLines:
    """The converter of one run. `count` is the number of lines so far.

    The console that a step works at is the target, all others give feedback.
    """

    def __init__(self, primary: str, masks: Iterable[str], shown: Shown | None = None) -> None:
        self.count = 0
        self._primary = primary
        self._shown = shown or Shown()
        self._open: dict[str, bytes] = {}
        self._masks = Masks(masks)

    @property
    def is_clean(self) -> bool:
        """Tell whether no line is open: a converter started here gives the same lines."""
        return not any(self._open.values())

    def mask(self, text: str) -> str:
        """Return the text with secrets replaced."""
        return self._masks.hide(text)

    def masked(self, value: object) -> object:
        """Return a JSON value with secrets replaced in its texts."""
        return self._masks.hide_all(value)

    def feed(self, record: Record) -> bytes:
        """Return the log lines that this record completes."""
        match record.kind:
            case Kind.OUTPUT:
                return self._output(record)
            case Kind.INPUT | Kind.TYPING:
                shown = _text(record.data)
                return self._flush(record, record.channel) + self._message(record, "input", shown)
            case Kind.END | Kind.LOST | Kind.CLOSED | Kind.EPOCH:
                return b"".join(self._flush(record, channel) for channel in list(self._open))
            case Kind.LOG | Kind.RESULT | Kind.GAP:
                return self._entry(record)
            case _:
                return b""

    def _entry(self, record: Record) -> bytes:
        entry = json.loads(record.data)
        if record.kind == Kind.RESULT:
            return self._message(record, "results", _case(entry["e"]))
        return self._message(record, entry["lvl"], entry["msg"])

    def _output(self, record: Record) -> bytes:
        block, end = self._open.get(record.channel, b""), record.data.rfind(b"\n")
        if end < 0:
            # What will be replaced anyway is not kept: a line without end costs bounded memory.
            if len(block) < _LONGEST_OPEN:
                self._open[record.channel] = (block + record.data)[:_LONGEST_OPEN]
            return b""
        self._open[record.channel] = record.data[end + 1 :][:_LONGEST_OPEN]
        return self._lines(record, record.channel, block + record.data[:end])

    def _flush(self, record: Record, channel: str) -> bytes:
        block = self._open.pop(channel, b"").strip(b"\r")
        return self._lines(record, channel, block) if block else b""

    def _lines(self, record: Record, channel: str, block: bytes) -> bytes:
        lines = self.mask(_text(block)).split("\n")
        if len(block) > LONGEST_LINE:
            lines = [line if len(line) <= LONGEST_LINE else TOO_LONG for line in lines]
        self.count += len(lines)
        if channel == self._shown.at_steps.get(record.step, self._primary):
            prefix, suffix = f'{_stamp(record)}"lvl": "target", "msg": ', "}\n"
        else:
            name = encode_basestring(self._shown.namespaces.get(channel, channel))
            prefix, suffix = f'{_stamp(record)}"lvl": "feedback", "msg": ', f', "ns": {name}}}\n'
        return (prefix + (suffix + prefix).join(map(encode_basestring, lines)) + suffix).encode()

    def _message(self, record: Record, level: str, message: str | dict[str, object]) -> bytes:
        self.count += 1
        shown = json.dumps(self.masked(message), ensure_ascii=False)
        if len(shown) > LONGEST_LINE:
            shown = encode_basestring(TOO_LONG)
        return f'{_stamp(record)}"lvl": "{level}", "msg": {_FORBIDDEN.sub("", shown)}}}\n'.encode()


def _stamp(record: Record) -> str:
    moment = datetime.fromtimestamp(record.wall / 1e6, UTC)
    return f'- {{"dt": "{moment.isoformat(timespec="microseconds")}", '


def _text(block: bytes) -> str:
    if b"\x1b" in block:
        block = _ESCAPES.sub(b"", block)
    if b"\r" in block:
        block = _LINE_END.sub(b"\n", block).strip(b"\r").replace(b"\r", b"\n")
    return _printable(block.translate(None, _CONTROLS).decode(errors="replace"))


def _printable(text: str) -> str:
    return text if text.isascii() else _FORBIDDEN.sub("", text)


def _case(event: dict[str, object]) -> dict[str, object]:
    """Return a result as LAVA logs it; what labq adds stands behind it."""
    shown = {
        "definition": event["suite"],
        "case": event["case"],
        "result": event["verdict"],
        "measurement": event["measurement"],
        "units": event["units"] or None,
        "set": event["test_set"],
        "starttc": event["start_line"],
        "endtc": event["end_line"],
    }
    details = cast("dict[str, object]", event["details"])
    return {key: item for key, item in shown.items() if item is not None} | {
        key: item for key, item in details.items() if key not in shown
    }
