"""Which columns a list may be filtered by, how, and what a filter asks of the database.

A filter is a name and a text: `field`, `field__lookup`, or the same behind `relation__`. Whatever
nobody knows is left out, as LAVA does; a value that means nothing is an error that names its filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, false, func, select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, Problem
from labq.services.paging import LARGEST_ID

MOST_VALUES = 1_000
"""Of one filter `__in`."""
MOST_KEYS = 10_000
"""Rows of another table that a filter through a relation may mean."""


class Lookup(StrEnum):
    """How a column is compared with a value."""

    EXACT = "exact"
    IEXACT = "iexact"
    IN = "in"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    STARTSWITH = "startswith"
    ISTARTSWITH = "istartswith"
    ENDSWITH = "endswith"
    IENDSWITH = "iendswith"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    ISNULL = "isnull"


EQUAL = frozenset({Lookup.EXACT, Lookup.IN})
TEXTS = frozenset(Lookup) - {Lookup.LT, Lookup.LTE, Lookup.GT, Lookup.GTE}
ORDERED = EQUAL | {Lookup.LT, Lookup.LTE, Lookup.GT, Lookup.GTE, Lookup.ISNULL}
CHOSEN = EQUAL | {Lookup.IEXACT}
Parse = Callable[[str], object]
Column = SQLColumnExpression[Any]
"""A column of a table, or an expression."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the list's own table, what its values are, and the lookups that it knows.

    `parse` makes a value of a text and raises ValueError with what was expected. `drive` names the
    column where equality finds the rows by an index of its own. `mirror` is the column with the other
    sign, for indexes in that order.
    """

    column: Column
    parse: Parse
    lookups: frozenset[Lookup]
    drive: str = ""
    mirror: Column | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of another table, known by `key`: `on` is the condition that some of them are related.

    Without a further field the filter asks for the key itself.
    """

    key: Field
    on: Callable[[Sequence[Any]], ColumnElement[bool]]
    fields: Fields = field(default_factory=dict)
    drive: str = ""


Fields = Mapping[str, Field | Relation]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a filter asks: a condition, and the column that has one of `values` if an index finds it.

    Of a comparison `drive` is the column and the lookup: `id gt`.
    """

    sql: ColumnElement[bool]
    drive: str = ""
    values: tuple[object, ...] = ()


def text(column: Column, drive: str = "") -> Field:
    """Return the field of a text."""
    return Field(column, str, TEXTS, drive)


def number(column: Column, drive: str = "", mirror: Column | None = None) -> Field:
    """Return the field of a whole number."""
    return Field(column, _number, ORDERED, drive, mirror)


def decimal(column: Column) -> Field:
    """Return the field of a number with places."""
    return Field(column, _decimal, ORDERED)


def moment(column: Column) -> Field:
    """Return the field of a time; one without a zone is UTC."""
    return Field(column, _moment, ORDERED)


def flag(column: Column) -> Field:
    """Return the field of a truth value."""
    return Field(column, truth, EQUAL)


def choice(
    column: Column,
    words: Mapping[str, object],
    drive: str = "",
    *,
    any_case: bool = False,
) -> Field:
    """Return the field of a column that has one of several values, known by words."""
    known = {word.lower(): value for word, value in words.items()} if any_case else words

    def parse(text: str) -> object:
        word = text.lower() if any_case else text
        if word not in known:
            message = (
                f"Select a valid choice. {text} is not one of the available choices:"
                f" {', '.join(words)}"
            )
            raise ValueError(message)
        return known[word]

    return Field(column, parse, CHOSEN, drive)


def conditions(
    session: Session, fields: Fields, filters: Iterable[tuple[str, str]]
) -> list[Condition]:
    """Return what filters ask; raises InvalidInputError with everything that means nothing."""
    found, problems = [], []
    for name, value in filters:
        if value == "":
            continue
        try:
            one = _condition(session, fields, name.split("__"), value)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
            continue
        if one is not None:
            found.append(one)
    if problems:
        raise InvalidInputError(problems)
    return found


def _condition(
    session: Session, fields: Fields, parts: Sequence[str], value: str
) -> Condition | None:
    """Return what one filter asks, None when there is no such field or lookup."""
    head, *rest = parts
    match fields.get(head):
        case None:
            return None
        case Field() as own:
            lookup = _lookup(own, rest)
            return None if lookup is None else _compare(own, lookup, value)
        case Relation() as relation:
            return _related(session, relation, rest, value)


def _related(
    session: Session, relation: Relation, rest: Sequence[str], value: str
) -> Condition | None:
    lookup = _lookup(relation.key, rest)
    if lookup in EQUAL:
        values = _values(relation.key, lookup, value)
        return Condition(relation.on(values), relation.drive, values)
    inner = _condition(session, relation.fields, rest, value) if rest else None
    if inner is None:
        return None
    query = select(relation.key.column).where(inner.sql).limit(MOST_KEYS + 1)
    keys = tuple(session.scalars(query))
    if len(keys) > MOST_KEYS:
        message = f"More than {MOST_KEYS} rows are meant: ask for fewer."
        raise ValueError(message)
    return Condition(relation.on(keys), relation.drive, keys)


def _lookup(own: Field, rest: Sequence[str]) -> Lookup | None:
    """Return the lookup that the rest of a name means, if the field knows it."""
    if len(rest) > 1:
        return None
    name = rest[0] if rest else Lookup.EXACT.value
    return next((one for one in own.lookups if one.value == name), None)


def _compare(own: Field, lookup: Lookup, value: str) -> Condition:
    _refuse_nul(value)
    if lookup is Lookup.ISNULL:
        is_null = truth(value)
        return Condition(own.column.is_(None) if is_null else own.column.is_not(None))
    if lookup in EQUAL:
        values = _values(own, lookup, value)
        return Condition(any_of(own.column, values), own.drive, values)
    if lookup in _ORDERS:
        bound = own.parse(value)
        drive = f"{own.drive} {lookup.value}" if own.drive else ""
        return Condition(_ordered(own, lookup, bound), drive, (bound,))
    return Condition(_TEXTS[lookup](own.column, value))


def _ordered(own: Field, lookup: Lookup, value: Any) -> ColumnElement[bool]:
    found = _ORDERS[lookup](own.column, value)
    return found if own.mirror is None else found & _ORDERS[_MIRRORED[lookup]](own.mirror, -value)


def any_of(column: Column, values: Sequence[object]) -> ColumnElement[bool]:
    """Return the condition that a column has one of some values."""
    known = [value for value in values if value is not None]
    found = column.in_(known) if len(known) > 1 else column == known[0] if known else false()
    return found if len(known) == len(values) else found | column.is_(None)


def _values(own: Field, lookup: Lookup | None, value: str) -> tuple[object, ...]:
    _refuse_nul(value)
    texts = value.split(",") if lookup is Lookup.IN else [value]
    if len(texts) > MOST_VALUES:
        message = f"{len(texts)} values are too many: ask for {MOST_VALUES} at most."
        raise ValueError(message)
    return tuple(dict.fromkeys(own.parse(one) for one in texts))


def matches(column: Column, lookup: Lookup, value: str) -> ColumnElement[bool]:
    """Return how a text is compared; `%` and `_` stand for themselves."""
    return _TEXTS[lookup](column, value)


_TEXTS: Mapping[Lookup, Callable[[Column, str], ColumnElement[bool]]] = {
    Lookup.IEXACT: lambda column, value: func.lower(column) == value.lower(),
    Lookup.CONTAINS: lambda column, value: column.contains(value, autoescape=True),
    Lookup.ICONTAINS: lambda column, value: column.icontains(value, autoescape=True),
    Lookup.STARTSWITH: lambda column, value: column.startswith(value, autoescape=True),
    Lookup.ISTARTSWITH: lambda column, value: column.istartswith(value, autoescape=True),
    Lookup.ENDSWITH: lambda column, value: column.endswith(value, autoescape=True),
    Lookup.IENDSWITH: lambda column, value: column.iendswith(value, autoescape=True),
}
_ORDERS: Mapping[Lookup, Callable[[Column, object], ColumnElement[bool]]] = {
    Lookup.LT: lambda column, value: column < value,
    Lookup.LTE: lambda column, value: column <= value,
    Lookup.GT: lambda column, value: column > value,
    Lookup.GTE: lambda column, value: column >= value,
}


_MIRRORED = {
    Lookup.LT: Lookup.GT,
    Lookup.LTE: Lookup.GTE,
    Lookup.GT: Lookup.LT,
    Lookup.GTE: Lookup.LTE,
}


def truth(value: str) -> bool:
    """Return the truth value that a text means; raises ValueError."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in known:
        message = f"{value!r} is no boolean: true or false."
        raise ValueError(message)
    return known[value.lower()]


def _number(value: str) -> int:
    found = _decimal(value)
    if found != found.to_integral_value() or abs(found) > LARGEST_ID:
        message = "Enter a whole number."
        raise ValueError(message)
    return int(found)


def _decimal(value: str) -> Decimal:
    try:
        found = Decimal(value.strip()) if len(value) <= 40 else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or abs(found.adjusted()) > 40:
        message = "Enter a number."
        raise ValueError(message)
    return found


def _moment(value: str) -> datetime:
    # A plus sign that was not escaped in an address arrives as a blank.
    text = value.strip().replace("Z", "+00:00")
    head, blank, zone = text.rpartition(" ")
    if blank and "T" in head and len(zone) == 5 and zone[2] == ":":
        text = f"{head}+{zone}"
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = "Enter a valid date/time."
        raise ValueError(message) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _refuse_nul(value: str) -> None:
    if "\0" in value:
        message = "Null characters are not allowed."
        raise ValueError(message)


def names(fields: Fields) -> Iterator[str]:
    """Yield the names of fields and relations, for documents and tests."""
    yield from fields
