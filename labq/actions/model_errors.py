"""What is wrong with parameters, in words a submitter understands."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labq.actions.values import name_kind

Path = tuple[str | int, ...]

_WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "a string",
}


def findings(error: ValidationError) -> Iterator[tuple[Path, str]]:
    """Yield path and message of each error; a key that is missing is told of where it should be."""
    for item in error.errors(include_url=False):
        yield _finding(item)


def _finding(item: ErrorDetails) -> tuple[Path, str]:
    path, kind = item["loc"], item["type"]
    match kind:
        case "missing":
            return path[:-1], f"needs the key {str(path[-1])!r}"
        case "extra_forbidden":
            return path, "unknown key"
        case "invalid_key":
            return path, "a key must be a string"
        case "literal_error":
            return path, f"must be {item['ctx']['expected']}, not {_shown(item['input'])}"
        case _ if kind in _WANTED:
            return path, f"must be {_WANTED[kind]}, not {name_kind(item['input'])}"
        case _:
            return path, item["msg"]


def _shown(value: object) -> str:
    return repr(value)[:80] if isinstance(value, str | int | float) else name_kind(value)
