"""Finds the test shell's signals in a console's bytes, wherever they stand.

A signal that lines of the kernel's log tear apart is taken when nothing is left in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from labq.domain.verdicts import Verdict

MARK = b"<LAVA_"
LONGEST = 16 * 1024
"""Bytes of a signal; more is taken for torn, so that garbage cannot make the search slow."""

GROUP_CALLS = ("SEND", "WAIT", "WAIT_ALL", "SYNC")
_OF_GROUPS = ("MULTI_NODE", "WAIT_COMPLETE")
"""What stands before a call to the group, and the echo of its answer."""
_SIGNAL = "SIGNAL_"
_DIGITS = 30
_PLACES = 10
_STAMP = re.compile(rb"\[ {0,9}[0-9]{1,10}\.[0-9]{6}\]")
"""How the kernel begins a line of its log on a console."""
_KERNEL_LINE = re.compile(_STAMP.pattern + rb"[^\n]*\n")
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Signal:
    """`<LAVA_SIGNAL_NAME words>`."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunnerSays:
    """`<LAVA_TEST_RUNNER word>`: START, INSTALL_FAIL, EXIT."""

    word: str


@dataclass(frozen=True, slots=True)
class GroupCall:
    """`<LAVA_SEND words>`, or WAIT, WAIT_ALL, SYNC: what a test asks of its group."""

    request: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Torn:
    """Something that began like a signal and is none; `text` is how it began."""

    text: str


Whole = Signal | RunnerSays | GroupCall


@dataclass(frozen=True, slots=True)
class Repaired:
    """A signal that lines of the kernel's log had torn apart; `text` is how it came."""

    token: Whole
    text: str


Token = Whole | Torn | Repaired


class SignalScanner:
    """Feeds on pieces of text, returns what stands between `<LAVA_` and `>`."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Token]:
        """Return the tokens that this piece completes."""
        if not self._held and b"<" not in data:
            return []
        text = self._held + data
        tokens: list[Token] = []
        at = text.find(MARK)
        while at >= 0:
            begun, is_cut = _begun_at(text, at)
            token = _read(begun)
            if token is None and not is_cut:
                self._held = text[at:]
                return tokens
            token = token or Torn(begun[:80].decode(errors="replace"))
            tokens += [] if token is _SILENT else [token]
            at = text.find(MARK, at + 1)
        self._held = _begun(text)
        return tokens


_SILENT = Torn("")
"""What is read where there is nothing to tell."""


def _begun_at(text: bytes, at: int) -> tuple[bytes, bool]:
    """Return what may belong to the signal that begins here, and whether no more will come."""
    again = text.find(MARK, at + 1)
    end = min(again if again >= 0 else len(text), at + LONGEST)
    return text[at:end], again >= 0 or len(text) - at > LONGEST


def _read(begun: bytes) -> Token | None:
    """Return the token at the start of the text, None when its end is not there."""
    stop = begun.find(b">")
    stamp = _STAMP.search(begun, 0, stop if stop >= 0 else len(begun))
    if stamp is not None:
        return _read_torn(begun, stamp.start(), stop)
    return _token(begun[:stop]) if stop >= 0 else None


def _read_torn(begun: bytes, stamp: int, stop: int) -> Token | None:
    """Return the token in which something looks like the kernel's; LAVA's reading, or a repair.

    Lines of the kernel are left out whole. What is not sound then, or could be what nobody sent,
    is torn.
    """
    if stop >= 0 and b"\n" not in begun[stamp:stop]:
        plain = _token(begun[:stop])
        if _has_own_stamp(plain):
            return plain
    mended = _KERNEL_LINE.sub(b"", begun)
    end = mended.find(b">")
    if end < 0 or _STAMP.search(mended, 0, end):
        return None
    token = _token(mended[:end])
    if isinstance(token, Torn | Repaired) or not _is_sound(token):
        return Torn(begun[:80].decode(errors="replace"))
    return Repaired(token, begun[:_SHOWN].decode(errors="replace"))


def _has_own_stamp(token: Token) -> bool:
    """Tell whether what looks like the kernel's is in text that a test may choose."""
    match token:
        case Signal("TESTRAISE" | "TESTEVENT"):
            return True
        case Signal("TESTCASE", (first, *_)):
            return _STAMP.search(first.encode()) is not None and _is_sound(token)
        case _:
            return False


def _token(text: bytes) -> Token:
    return parse(text[1:].decode(errors="replace")) or _SILENT


def _begun(text: bytes) -> bytes:
    """Return the end of the text that may be the start of MARK."""
    for size in range(len(MARK) - 1, 0, -1):
        if text.endswith(MARK[:size]):
            return MARK[:size]
    return b""


def parse(text: str) -> Token | None:
    """Return the token for what stands between the angle brackets, None for what says nothing."""
    head, *words = _printable(text).split()
    name = head.removeprefix("LAVA_")
    if name.startswith(_SIGNAL) and (words or name == "SIGNAL_TESTSET"):
        return Signal(name.removeprefix(_SIGNAL), tuple(words))
    if name == "TEST_RUNNER" and len(words) == 1:
        return RunnerSays(words[0])
    if name in GROUP_CALLS and words:
        return GroupCall(name, tuple(words))
    if name in _OF_GROUPS:
        return None
    return Torn(f"<{text[:80]}>")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char.isspace() else "\ufffd" for char in text)


def pairs(words: tuple[str, ...]) -> dict[str, str]:
    """Return `K=V` words as a mapping; words without `=` are left out."""
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


_CASE_KEYS = frozenset({"TEST_CASE_ID", "RESULT", "UNITS", "MEASUREMENT"})
_RUN_NAME = re.compile(r"[0-9]+_[-_a-zA-Z0-9.]+")


def _is_case(words: tuple[str, ...]) -> bool:
    values = pairs(words)
    return (
        len(values) == len(words)
        and {"TEST_CASE_ID", "RESULT"} <= values.keys() <= _CASE_KEYS
        and all(values.values())
        and values["RESULT"] in set(Verdict)
        and ("MEASUREMENT" not in values or measurement(values["MEASUREMENT"]) is not None)
    )


def _is_run(words: tuple[str, ...]) -> bool:
    return len(words) == 2 and _RUN_NAME.fullmatch(words[0]) is not None


_SOUND: Mapping[str, Callable[[tuple[str, ...]], bool]] = {
    "STARTRUN": _is_run,
    "ENDRUN": _is_run,
    "TESTCASE": _is_case,
    "STARTTC": lambda words: len(words) == 1,
    "ENDTC": lambda words: len(words) == 1,
    "TESTSET": lambda words: words == ("STOP",) or (len(words) == 2 and words[0] == "START"),
    "TESTREFERENCE": lambda words: len(words) == 3 and words[1] in set(Verdict),
    "TESTFEEDBACK": lambda words: len(words) == 1,
    "TESTRAISE": bool,
    "TESTEVENT": bool,
}
"""What words each signal has when it is whole."""


def _is_sound(token: Whole) -> bool:
    match token:
        case Signal():
            return token.name in _SOUND and _SOUND[token.name](token.words)
        case RunnerSays():
            return token.word in {"START", "INSTALL_FAIL", "EXIT"}
        case GroupCall():
            return True


def measurement(text: str) -> Decimal | None:
    """Return the number to 10 decimal places, None when it is none or too large to be kept."""
    try:
        value = Decimal(text)
        if not value.is_finite() or value.adjusted() >= _DIGITS - _PLACES:
            return None
        return value.quantize(Decimal(1).scaleb(-_PLACES)) if _exponent(value) > _PLACES else value
    except InvalidOperation:
        return None


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
