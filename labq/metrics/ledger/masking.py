"""Parameters of a statement as they may be kept: secrets and what is unknown are masked.

A kept value is `[kind, text]`, so that it can go through JSON and be bound again for an EXPLAIN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

from psycopg2.extensions import Binary

Kept = tuple[str, str]
MASKED = "***"
LONGEST_VALUE = 100
LONGEST_QUERY = 300
_LONGEST_READ = 2_000
_MOST_ELEMENTS = 200
_MOST_VALUES = 200
_SECRET_NAME = re.compile(
    r"secret|passw|token|digest|hash|code|credential|cookie|ticket|definition|plan|target|template"
    r"|content|payload|dictionary|private|signature|key",
    re.IGNORECASE,
)
# Tokens, digests and keys, whatever they are called.
_LOOKS_SECRET = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
_WRITE: Mapping[str, Callable[[str], object]] = {
    "null": lambda _: None,
    "bool": lambda text: text == "True",
    "int": int,
    "float": float,
    "decimal": Decimal,
    "text": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "interval": lambda text: timedelta(seconds=float(text)),
    "bytes": lambda _: MASKED.encode(),
    # What nothing is known of fits any type as a null.
    "unknown": lambda _: None,
}


def _seconds(value: object) -> str:
    return str(value.total_seconds()) if isinstance(value, timedelta) else ""


# The first that fits counts: a bool is an int, and a datetime a date.
_KINDS: tuple[tuple[type, str, Callable[[object], str]], ...] = (
    (type(None), "null", lambda _: ""),
    (bool, "bool", str),
    (int, "int", str),
    (float, "float", str),
    (Decimal, "decimal", str),
    (datetime, "datetime", str),
    (date, "date", str),
    (timedelta, "interval", _seconds),
    (bytes, "bytes", lambda _: MASKED),
    (memoryview, "bytes", lambda _: MASKED),
    (Binary, "bytes", lambda _: MASKED),
)


def kept(parameters: object) -> dict[str, Kept] | None:
    """Return parameters by name, masked; None for a call without names or with very many."""
    if not isinstance(parameters, Mapping):
        return None
    if len(parameters) > _MOST_VALUES:
        return None
    return {str(name): _kept(str(name), value) for name, value in parameters.items()}


def bound(values: Mapping[str, Kept]) -> dict[str, object]:
    """Return what to bind for kept parameters; raises ValueError for what no ledger has written."""
    return {name: _bound(kind, text) for name, (kind, text) in values.items()}


def has_masked(values: Mapping[str, Kept]) -> bool:
    """Tell whether a value is not the one of the call."""
    return any(kind == "bytes" or text == MASKED for kind, text in values.values())


def masked_query(query: str) -> str:
    """Return a URL's query with its secrets masked, shortened."""
    pairs = parse_qsl(query[:_LONGEST_READ], keep_blank_values=True)
    return urlencode(
        [(name, MASKED if _is_hidden(name, value) else value) for name, value in pairs], safe="*:"
    )[:LONGEST_QUERY]


def _kept(name: str, value: object) -> Kept:
    for known, kind, show in _KINDS:
        if isinstance(value, known):
            return kind, show(value)
    if isinstance(value, list | tuple):
        return _kept_list(name, value)
    if isinstance(value, str):
        return "text", MASKED if _is_hidden(name, value) else value
    return "unknown", MASKED


def _kept_list(name: str, values: list[object] | tuple[object, ...]) -> Kept:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "ints", ",".join(map(str, values[:_MOST_ELEMENTS]))
    if all(isinstance(value, str) and not _is_hidden(name, value) for value in values):
        return "texts", "\0".join(map(str, values[:_MOST_ELEMENTS]))
    return "texts", MASKED


def _is_hidden(name: str, value: str) -> bool:
    """Tell whether a text is a secret by its name or look, or too long to be looked at."""
    return (
        bool(_SECRET_NAME.search(name))
        or len(value) > LONGEST_VALUE
        or bool(_LOOKS_SECRET.fullmatch(value))
    )


def _bound(kind: str, text: str) -> object:
    if kind == "ints":
        return [int(part) for part in text.split(",") if part]
    if kind == "texts":
        return text.split("\0") if text else []
    write = _WRITE.get(kind)
    if write is None:
        message = f"no kind of value: {kind!r}"
        raise ValueError(message)
    return write(text)
