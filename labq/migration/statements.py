"""SQL taken apart into statements, as far as the rules need it. No parser: labq writes what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What a semicolon in it does not end, and comments. Dollar quotes name themselves.
_PIECE = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag))
  | (?P<end>;)
  | (?P<other>[^-/'"$;]+|.)
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement on one line, without comments; `transaction` counts those it may be part of.

    It is 0 outside of any: then the statement is committed by itself.
    """

    text: str
    transaction: int


def split(sql: str) -> Iterator[Statement]:
    """Yield the statements of a script but for those that begin and end transactions."""
    transactions, is_open = 0, False
    for text in _texts(sql):
        word = text.split(maxsplit=1)[0].upper()
        if word == "BEGIN":
            transactions, is_open = transactions + 1, True
        elif word in ("COMMIT", "ROLLBACK"):
            is_open = False
        else:
            yield Statement(text, transactions if is_open else 0)


def _texts(sql: str) -> Iterator[str]:
    pieces: list[str] = []
    for match in _PIECE.finditer(f"{sql};"):
        if match["end"]:
            text = "".join(pieces).strip()
            pieces = []
            if text:
                yield text
        elif match["comment"]:
            pieces.append(" ")
        elif match["quoted"]:
            pieces.append(match[0])
        else:
            pieces.append(re.sub(r"\s+", " ", match[0]))
