"""Rows about the server itself: how often its pages are asked for, how large its tables were."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, BigInt


class PageHit(Base):
    """How often an endpoint was asked for on one day (UTC); web processes add to it in batches."""

    __tablename__ = "page_hit"
    day: Mapped[date] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    hits: Mapped[BigInt]


class RelationSize(Base):
    """How large a table (without its indexes) or an index was at a moment.

    `rows` is the planner's estimate, -1 where there is none. `owner` is the table of an index and
    the partitioned table of a partition.
    """

    __tablename__ = "relation_size"
    measured_at: Mapped[datetime] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner: Mapped[str] = mapped_column(server_default="")
    bytes: Mapped[BigInt]
    rows: Mapped[BigInt]
