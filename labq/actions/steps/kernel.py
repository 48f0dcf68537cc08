"""Kernel trouble on a console: which lines mean it, and which of them end the job."""

from __future__ import annotations

import re
from collections.abc import Mapping

from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError, LabqError
from labq.domain.verdicts import Verdict
from labq.hw.console import ConsoleClosedError
from labq.hw.expect import Alternative, Expect, Found

TROUBLE = "kernel-"
FATAL = "fatal-"
PANIC_LINES_SECONDS = 1.0
"""How long to wait for the rest of a panic's text before the job ends."""

_END_OF_PANIC = Alternative("end", re.compile(rb"end Kernel panic[^\r\n]*"), b"end Kernel panic")


def _line(kind: str, needle: bytes, rest: bytes = rb"[^\r\n]*[\r\n]") -> Alternative:
    return Alternative(kind, re.compile(re.escape(needle) + rest), needle)


FATAL_PATTERNS = (
    _line(FATAL + "panic", b"Kernel panic - not syncing", rb"[^\r\n]*"),
    _line(FATAL + "reset", b"U-Boot SPL 20", rb"[0-9]{2}"),
)

TROUBLE_PATTERNS = (
    Alternative(
        TROUBLE + "trace",
        re.compile(rb"-+\[ cut here \]-+(?:.|\n){0,3500}?-+\[ end trace \w* ?\]-+"),
        b"[ end trace ",
    ),
    _line(TROUBLE + "fault", b"Unhandled fault"),
    _line(TROUBLE + "kcsan", b"BUG: KCSAN:"),
    _line(TROUBLE + "kasan", b"BUG: KASAN:"),
    _line(TROUBLE + "kfence", b"BUG: KFENCE:"),
    Alternative(TROUBLE + "oops", re.compile(rb"Oops(?: -|:)[^\r\n]*[\r\n]"), b"Oops"),
    _line(TROUBLE + "warning", b"WARNING: CPU:"),
    Alternative(
        TROUBLE + "bug", re.compile(rb"(?:\] |kernel )BUG[: ](?! ?K[A-Z]+:)[^\r\n]*[\r\n]"), b"BUG"
    ),
    _line(TROUBLE + "invalid-opcode", b"invalid opcode:"),
)


class KernelMessages:
    """Collects the trouble of one step."""

    def __init__(self) -> None:
        self.found: list[Mapping[str, str]] = []

    def note(self, found: Found) -> None:
        """Record a match of TROUBLE_PATTERNS."""
        self._add(found.name.removeprefix(TROUBLE), found.text)

    def panic(self, expect: Expect, found: Found, deadline: Deadline) -> LabqError:
        """Record a match of FATAL_PATTERNS and return the error that ends the job."""
        kind = found.name.removeprefix(FATAL)
        message = found.text
        if kind == "panic":
            message += _rest_of_panic(expect, deadline)
        self._add(kind, message)
        return JobError(f"kernel {kind}: {found.text}" if kind == "panic" else _reset(message))

    def report(self, work: Work) -> None:
        """Report the case `kernel-messages`: fail when there was a panic or a reset."""
        fatal = any(item["kind"] in {"panic", "reset"} for item in self.found)
        work.report(
            "kernel-messages",
            Verdict.FAIL if fatal else Verdict.PASS,
            details={"extra": [dict(item) for item in self.found]},
        )

    def _add(self, kind: str, message: str) -> None:
        self.found.append({"kind": kind, "message": message})


def _rest_of_panic(expect: Expect, deadline: Deadline) -> str:
    try:
        rest = expect.wait([_END_OF_PANIC], min(deadline, expect.after(PANIC_LINES_SECONDS)))
    except ConsoleClosedError:
        return ""
    return "" if rest is None else (rest.before + rest.match.group()).decode(errors="replace")


def _reset(message: str) -> str:
    return f"the board has reset: {message!r} seen on the console"
