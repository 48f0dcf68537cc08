"""Columns of many rows as PostgreSQL's array literals, made at once: one parameter a column.

That is many times quicker than a parameter a value, and COPY cannot be had by a process that waits
for its database in one place (labq.services.silence).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_SPECIAL = str.maketrans({'"': '\\"', "\\": "\\\\"})


def of_numbers(values: Iterable[object]) -> str:
    """Return an array of what needs no quotes: numbers, dates, moments."""
    return f"{{{','.join(map(str, values))}}}"


def of_numbers_or_nulls(values: Sequence[object | None]) -> str:
    """Return the same where None is null."""
    if None not in values:
        return of_numbers(values)
    return of_numbers("NULL" if value is None else value for value in values)


def of_texts(values: Sequence[str]) -> str:
    """Return an array of texts."""
    if not values:
        return "{}"
    joined = '","'.join(values)
    # Nearly always there is nothing to escape in all of them.
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join(value.translate(_SPECIAL) for value in values)
    return f'{{"{joined}"}}'


def of_texts_or_nulls(values: Sequence[str | None]) -> str:
    """Return the same where None is null."""
    if values.count(None) == len(values):
        return of_numbers_or_nulls(values)
    quoted = ("NULL" if value is None else f'"{value.translate(_SPECIAL)}"' for value in values)
    return f"{{{','.join(quoted)}}}"
