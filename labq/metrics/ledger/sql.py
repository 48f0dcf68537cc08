"""SQL as the ledger keeps it: one text for calls that differ in their values only, and its name.

Nothing of a value is left in a normalised text, so that it may be shown, logged and sent away.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

LONGEST_TEXT = 4_000
_LONGEST_RAW = 16_000
_MOST_KNOWN = 2_000
_NEXT_ROW = "), ("
_BIND = r"%\([^)]*\)s(?:::[A-Z]+(?:\[\])?)?"
_STEPS = (
    (re.compile(r"\s+"), " "),
    # PostgreSQL cuts long texts off: what is left of a value has no end.
    (re.compile(r"(?<!\w)[eE]'(?:[^'\\]|''|\\.)*(?:'|$)|'(?:[^']|'')*(?:'|$)"), "?"),
    (re.compile(_BIND), "?"),
    (re.compile(r"(?<![\w.$])-?\d+(?:\.\d+)?(?![\w.])"), "?"),
    (re.compile(r"\(\?(?:, ?\?)+\)"), "(?, …)"),
    (re.compile(r"\b(IN|in) \(\?\)"), r"\1 (?, …)"),
    (re.compile(r"(\((?:\?|\?, …)\))(?:, ?\((?:\?|\?, …)\))+"), r"\1"),
    (re.compile(r"\b(ARRAY\[)\?(?:, ?\?)*\]"), r"\1…]"),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A normalised statement; `id` is made of its text, the same in every process."""

    id: str
    text: str


def normalised(text: str) -> str:
    """Return SQL without values, on one line; lists of values become one."""
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.strip()[:LONGEST_TEXT]


def statement_of(text: str) -> Statement:
    """Return the statement that a raw text is a call of."""
    shape = normalised(_without_rows(text))
    return Statement(hashlib.sha256(shape.encode()).hexdigest()[:16], shape)


def _without_rows(text: str) -> str:
    """Leave out all but the first and last of the rows that a long INSERT has, and cut it."""
    if len(text) <= _LONGEST_RAW:
        return text
    first, last = text.find(_NEXT_ROW), text.rfind(_NEXT_ROW)
    if first != last:
        text = text[:first] + text[last:]
    return text[:_LONGEST_RAW]


class Names:
    """Remembers the statements of raw texts: SQLAlchemy makes the same texts again and again."""

    def __init__(self) -> None:
        self._known: dict[str, Statement] = {}

    def of(self, text: str) -> Statement:
        """Return the statement of a raw text."""
        if len(text) > _LONGEST_RAW:
            return statement_of(text)
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[text] = statement_of(text)
        return found
