"""A list of a small table: filtered, counted, ordered and cut out in the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from labq.models.base import Base
from labq.services.tables.lookups import Column, Fields, conditions

MOST_ROWS = 1_000
"""Of one page, whatever its limit says; `next` leads on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which part of a list: `limit` rows after `offset` others of those that all `filters` let pass.

    `ordering` names fields, behind a minus those that go down; names that nobody knows are left out.
    """

    limit: int
    offset: int = 0
    ordering: tuple[str, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows a page has at most."""
        return min(self.limit, MOST_ROWS)


@dataclass(frozen=True, slots=True)
class Found:
    """How many rows there are in all, and those of the page."""

    count: int
    rows: Sequence[Row[*tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list: what its rows have, what it may be filtered and ordered by, and its own order.

    `join` adds what the columns need beside the table of `model`, never a further row.
    """

    model: type[Base]
    columns: tuple[Column, ...]
    fields: Fields
    orders: Mapping[str, Column]
    order: tuple[str, ...]
    join: Callable[[Select[Any]], Select[Any]] = field(default=lambda query: query)


def find(session: Session, table: Table, asked: Asked, *visible: ColumnElement[bool]) -> Found:
    """Return a page of the rows that are visible; raises InvalidInputError for a filter's value."""
    wanted = [one.sql for one in conditions(session, table.fields, asked.filters)]
    counted = select(func.count()).select_from(table.model).where(*visible, *wanted)
    query = table.join(select(*table.columns).select_from(table.model)).where(*visible, *wanted)
    query = query.order_by(*order(table, asked)).limit(asked.rows).offset(asked.offset)
    return Found(session.scalars(counted).one(), session.execute(query).all())


def find_one(
    session: Session, table: Table, *only: ColumnElement[bool]
) -> Row[*tuple[Any, ...]] | None:
    """Return the one row that fits, None without it."""
    query = table.join(select(*table.columns).select_from(table.model))
    return session.execute(query.where(*only)).one_or_none()


def order(table: Table, asked: Asked) -> list[ColumnElement[Any]]:
    """Return the order that is asked for, with the list's own behind it, so that it is always one."""
    named = [name for name in asked.ordering if name.removeprefix("-") in table.orders]
    return [
        table.orders[name.removeprefix("-")].desc()
        if name.startswith("-")
        else table.orders[name].asc()
        for name in (*named, *table.order)
    ]
