"""Finds the test shell's signals in a console's bytes, wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

MARK = b"<LAVA_"
LONGEST = 16 * 1024
"""Bytes of a signal; more is taken for torn, so that garbage cannot make the search slow."""

GROUP_CALLS = ("SEND", "WAIT", "WAIT_ALL", "SYNC")
_OF_GROUPS = ("MULTI_NODE", "WAIT_COMPLETE")
"""What stands before a call to the group, and the echo of its answer."""
_SIGNAL = "SIGNAL_"
_DIGITS = 30
_PLACES = 10


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


Token = Signal | RunnerSays | GroupCall | Torn


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
            stop = text.find(b">", at)
            again = text.find(MARK, at + 1, stop if stop >= 0 else len(text))
            if again < 0 and stop < 0 and len(text) - at <= LONGEST:
                self._held = text[at:]
                return tokens
            token = _token(text[at:again] if again >= 0 else text[at:stop], again, stop)
            tokens += [token] if token else []
            at = text.find(MARK, at + 1)
        self._held = _begun(text)
        return tokens


def _token(text: bytes, again: int, stop: int) -> Token | None:
    if again >= 0 or stop < 0 or len(text) > LONGEST:
        return Torn(text[:80].decode(errors="replace"))
    return parse(text[1:].decode(errors="replace"))


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
