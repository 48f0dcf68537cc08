"""The console engine: waits on bytes for the first of several patterns, under deadlines.

Its clock moves with what the console gives (a chunk's moment, a deadline that passed), so the same
journal always leads to the same matches.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.hw.console import Console, ConsoleClosedError
from labq.hw.escapes import EscapeStripper

STEP_BYTES = 4096
"""Text is searched in overlapping pieces of twice this size, so that time stays linear."""

LONG_LINE_STEP_BYTES = 512
"""The same for text without a line end, where patterns like `\\w+@` are quadratic in the piece."""

KEPT_BYTES = 16 * 1024
"""What was searched in vain is forgotten but for this much."""

_META = frozenset(b"\\.^$*+?{}[]|()")


@dataclass(frozen=True, slots=True)
class Alternative:
    """One pattern to wait for. `needle` is a text that each match contains, empty if unknown."""

    name: str
    regex: re.Pattern[bytes]
    needle: bytes = b""

    @property
    def looks_at_end(self) -> bool:
        """Return whether the match depends on where the text ends."""
        return b"$" in self.regex.pattern or rb"\Z" in self.regex.pattern


def alternative(name: str, source: str) -> Alternative:
    """Compile a regular expression of a definition or dictionary; raises JobError when it is bad.

    A dot also matches line ends, as in LAVA.
    """
    try:
        regex = re.compile(source.encode(), re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise JobError(f"bad regular expression {source!r}: {error}") from error
    return Alternative(name, regex, required_text(regex.pattern))


def required_text(source: bytes) -> bytes:
    """Return the longest plain text that stands in every match; empty when that is not plain."""
    if b"|" in source or b"(?" in source:
        return b""
    return max(_plain_runs(source), key=len, default=b"")


def _plain_runs(source: bytes) -> Iterator[bytes]:
    """Yield runs of literal characters outside of groups and classes."""
    run = bytearray()
    for token, optional in _tokens(source):
        if len(token) == 1 and not optional:
            run += token
            continue
        yield bytes(run)
        run.clear()
    yield bytes(run)


_TOKEN = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]|[^\\\[()]", re.DOTALL)
_QUANTIFIER = re.compile(rb"[*+?]\??|\{[0-9,]*\}\??")


def _tokens(source: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield (literal character or longer text, whether a match may lack or repeat it)."""
    depth, at = 0, 0
    while match := _TOKEN.match(source, at):
        token, at = match.group(), match.end()
        quantifier = _QUANTIFIER.match(source, at)
        at = quantifier.end() if quantifier else at
        depth += {b"(": 1, b")": -1}.get(token, 0)
        yield _literal(token), depth > 0 or quantifier is not None


def _literal(token: bytes) -> bytes:
    """Return the one character that the token stands for, or a longer text when there is none."""
    if len(token) == 2 and token[0] == ord("\\") and not token[1:].isalnum():
        return token[1:]
    return token if len(token) == 1 and token[0] not in _META else b"**"


@dataclass(frozen=True, slots=True)
class Found:
    """What `wait` found: `before` is the text ahead of the match (the last 16 KiB of it)."""

    name: str
    match: re.Match[bytes]
    before: bytes

    @property
    def text(self) -> str:
        """Return the matched text, decoded and trimmed."""
        return self.match.group().decode(errors="replace").strip()


def last_lines(text: bytes) -> str:
    """Return the last lines of console text on one line, for messages."""
    lines = text[-1024:].decode(errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines[-5:] if line.strip())


class Expect:
    """Reads one console forward. What `wait` has matched is consumed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.clock = console.now()
        self._stripper = EscapeStripper()
        self._text = b""

    def wait(
        self,
        alternatives: Sequence[Alternative],
        deadline: Deadline,
        silence: float = math.inf,
        settle: float = 0.0,
    ) -> Found | None:
        """Return the earliest match; None when `deadline` or `silence` seconds without bytes pass.

        A match that reaches the end of what has arrived may be the first part of a longer one: with
        `settle` it counts once more has arrived, or nothing for so many seconds. Raises
        ConsoleClosedError when the stream ends first.
        """
        searched = 0
        while True:
            hit = self._search(alternatives, searched)
            if hit is None:
                self._text = self._text[-KEPT_BYTES:]
                searched = len(self._text)
                if not self._read(min(deadline, self.after(silence))):
                    return None
            elif not settle or hit[1].end() < len(self._text) or not self._grows(settle, deadline):
                return self._consume(*hit)

    def take(self, deadline: Deadline, silence: float = math.inf) -> bytes | None:
        """Return what is not consumed, else the next bytes, and consume it; None as `wait`."""
        while not self._text:
            if not self._read(min(deadline, self.after(silence))):
                return None
        taken, self._text = self._text, b""
        return taken

    def give_back(self, text: bytes) -> None:
        """Make text that was taken the next to be searched."""
        self._text = text + self._text

    def pause(self, seconds: float) -> None:
        """Let the console's time pass; what arrives is kept for the next `wait`."""
        deadline = self.after(seconds)
        while self._read(deadline):
            self._text = self._text[-KEPT_BYTES:]

    def send(self, data: bytes, delay: float = 0.0) -> None:
        """Send bytes, `delay` seconds apart."""
        self.console.send(data, delay)

    def after(self, seconds: float) -> Deadline:
        """Return the moment `seconds` from now on the console's clock."""
        return Deadline.after(seconds, self.clock)

    def forget(self) -> None:
        """Drop what has arrived and was not matched."""
        self._text = b""

    def tail(self) -> str:
        """Return the last lines that are not consumed, for messages."""
        return last_lines(self._text)

    def _grows(self, seconds: float, deadline: Deadline) -> bool:
        """Tell whether more arrives soon; a stream that ends now says so at the next wait."""
        try:
            return self._read(min(deadline, self.after(seconds)))
        except ConsoleClosedError:
            return False

    def _read(self, deadline: Deadline) -> bool:
        try:
            chunk = self.console.read(deadline)
        except ConsoleClosedError as error:
            last = self.tail()
            raise ConsoleClosedError(
                f"{error}; last on it: {last}" if last else str(error)
            ) from error
        if chunk is None:
            self.clock = max(self.clock, deadline.at)
            return False
        self.clock = max(self.clock, chunk.at)
        self._text += self._stripper.feed(chunk.data)
        return True

    def _search(
        self, alternatives: Sequence[Alternative], start: int
    ) -> tuple[Alternative, re.Match[bytes]] | None:
        low = max(0, start - KEPT_BYTES)
        live = [one for one in alternatives if self._text.find(one.needle, low) >= 0]
        if not live or not self._text:
            return None
        step = STEP_BYTES if b"\n" in self._text else LONG_LINE_STEP_BYTES
        for begin in range(start, max(len(self._text), start + 1), step):
            hit = self._first(live, max(0, begin - step), begin + step)
            if hit is not None:
                return hit
        return None

    def _first(
        self, live: Sequence[Alternative], low: int, high: int
    ) -> tuple[Alternative, re.Match[bytes]] | None:
        best: tuple[Alternative, re.Match[bytes]] | None = None
        for one in live:
            match = self._match(one, low, high)
            if match is not None and (best is None or match.start() < best[1].start()):
                best = (one, match)
        return best

    def _match(self, one: Alternative, low: int, high: int) -> re.Match[bytes] | None:
        if one.looks_at_end and high < len(self._text):
            return None
        match = one.regex.search(self._text, low, high)
        if match is not None and match.end() == high:
            return one.regex.match(self._text, match.start()) or match
        return match

    def _consume(self, one: Alternative, match: re.Match[bytes]) -> Found:
        before = self._text[: match.start()]
        self._text = self._text[match.end() :]
        return Found(one.name, match, before[-KEPT_BYTES:])
