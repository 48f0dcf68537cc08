"""The declarative base, column types and naming that all tables share."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, cast

from sqlalchemy import BigInteger, DateTime, Enum, Identity, MetaData, Table, Text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A UTC-aware point in time; naive values are refused."""

    impl = DateTime(timezone=True)  # type: ignore[mutable-override]  # SQLAlchemy wants it so
    cache_ok = True  # type: ignore[mutable-override]  # SQLAlchemy wants it so

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            message = f"naive datetime {value!r} in a query"
            raise ValueError(message)
        return value

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


def named(enum: type[StrEnum], *, name: str) -> Enum:
    """Return a text column type with a CHECK for the enum's lower-case values."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """All tables of labq."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {datetime: Moment, str: Text}  # noqa: RUF012 - SQLAlchemy's protocol


def table_of(model: type[Base]) -> Table:
    """Return the plain table of a model: statements on it skip the bookkeeping of entities."""
    return cast("Table", model.__table__)


Key = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
BigInt = Annotated[int, mapped_column(BigInteger)]
Json = dict[str, Any]
