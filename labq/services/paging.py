"""Keyset pages: some items, and the opaque key that the next page begins after."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from labq.domain.errors import InvalidInputError, Problem

LARGEST_PAGE = 100
LARGEST_ID = 2**63 - 1
_LONGEST_KEY = 400
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next` is the `after` of the following one, null on the last."""

    items: tuple[T, ...]
    next: str | None = None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], str | int]) -> Page[T]:
    """Return the page for rows read with `limit + 1`."""
    if len(rows) <= limit:
        return Page(tuple(rows))
    return Page(tuple(rows[:limit]), encode_key(key(rows[limit - 1])))


def encode_key(value: str | int) -> str:
    """Return a page key for the last item's id or name."""
    kind = "i" if isinstance(value, int) else "n"
    return base64.urlsafe_b64encode(f"{kind}{value}".encode()).decode().rstrip("=")


def decode_id(key: str) -> int:
    """Return the id in a page key; raises InvalidInputError."""
    text = _decode(key, "i")
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST_ID:
        raise _bad_key()
    return int(text)


def decode_name(key: str) -> str:
    """Return the name in a page key; raises InvalidInputError."""
    return _decode(key, "n")


def _decode(key: str, kind: str) -> str:
    if len(key) > _LONGEST_KEY:
        raise _bad_key()
    try:
        padded = key + "=" * (-len(key) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _bad_key() from error
    if not text.startswith(kind) or "\0" in text:
        raise _bad_key()
    return text[1:]


def _bad_key() -> InvalidInputError:
    message = "not a page key: use `next` of the page before, with the same filters"
    return InvalidInputError([Problem("after", message)])
