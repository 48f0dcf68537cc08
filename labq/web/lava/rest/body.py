"""What a request carries: JSON or a form, read into one mapping, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from labq.domain.errors import InvalidInputError, Problem
from labq.services.tables.lookups import truth
from labq.web.endpoint import JSON, TEXT

LONGEST = 1024 * 1024
"""Characters of one field."""
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_REQUIRED = "This field is required."


def read() -> Mapping[str, Any]:
    """Return the fields of the request; raises InvalidInputError, UnsupportedMediaType.

    What comes without a content type is a form, as clients send nothing at all.
    """
    if request.mimetype == JSON:
        return _json(request.get_data())
    if request.mimetype in _FORMS or not request.get_data():
        return {
            name: values if len(values) > 1 else values[0] for name, values in request.form.lists()
        }
    raise UnsupportedMediaType(f'Unsupported media type "{request.mimetype}" in request.')


def plain() -> str:
    """Return the text of a request that is nothing else."""
    if request.mimetype == TEXT:
        return _utf8(request.get_data())
    fields = read()
    return str(next(iter(fields.values()), ""))


def required(fields: Mapping[str, Any], name: str) -> str:
    """Return a text that has to be there; raises InvalidInputError."""
    found = optional(fields, name)
    if not found:
        raise _wrong(name, _REQUIRED)
    return found


def optional(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a text, None where there is none; raises InvalidInputError for something else."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _wrong(name, "Not a valid string.")
    if "\0" in value:
        raise _wrong(name, "Null characters are not allowed.")
    if len(value) > LONGEST:
        raise _wrong(name, f"Ensure this field has no more than {LONGEST} characters.")
    return value


def flag(fields: Mapping[str, Any], name: str) -> bool | None:
    """Return a truth value, None where there is none; raises InvalidInputError."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    try:
        return truth(str(value))
    except ValueError as error:
        raise _wrong(name, "Must be a valid boolean.") from error


def number(
    fields: Mapping[str, Any], name: str, *, least: int = 0, most: int = 1_000_000
) -> int | None:
    """Return a whole number, None where there is none; raises InvalidInputError."""
    value = fields.get(name)
    if value in {None, ""}:
        return None
    try:
        found = int(str(value)[:20])
    except ValueError as error:
        raise _wrong(name, "A valid integer is required.") from error
    if isinstance(value, bool | float) or not least <= found <= most:
        raise _wrong(name, f"Ensure this value is between {least} and {most}.")
    return found


def listed(fields: Mapping[str, Any], name: str) -> list[Any] | None:
    """Return a list, also of the one value of a form; None where there is none."""
    value = fields.get(name)
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, str | int):
        return [value]
    raise _wrong(name, "Expected a list of items.")


def numbers(values: Sequence[Any], name: str, most: int = 10_000) -> list[int]:
    """Return whole numbers; raises InvalidInputError."""
    if len(values) > most:
        raise _wrong(name, f"{len(values)} are too many: at most {most}.")
    try:
        return [int(str(value)[:20]) for value in values]
    except ValueError as error:
        raise _wrong(name, "A valid integer is required.") from error


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(_utf8(data)) if data else {}
    except (ValueError, RecursionError) as error:
        raise _wrong("detail", f"JSON parse error - {error}") from error
    if not isinstance(found, dict):
        message = f"Invalid data. Expected a dictionary, but got {type(found).__name__}."
        raise _wrong("non_field_errors", message)
    return found


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _wrong("detail", f"not UTF-8: byte {error.start}") from error


def _wrong(name: str, message: str) -> InvalidInputError:
    return InvalidInputError([Problem(name, message)])
