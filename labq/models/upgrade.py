"""How the schema moves: the upgrade that runs now or ran last, and the back-fills."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, BigInt


class Upgrade(Base):
    """The one row of the upgrade that runs, or ran last.

    It runs while it has no `ended_at` and `until` (the database's clock) is not over: one that was
    killed renews it no more, so that its announcement and its pause end by themselves.
    """

    __tablename__ = "upgrade"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str]
    found: Mapped[str]
    target: Mapped[str]
    pauses_scheduling: Mapped[bool] = mapped_column(server_default=false())
    step: Mapped[str] = mapped_column(server_default="")
    began_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(server_default="")


class Backfill(Base):
    """How far a back-fill is: rows up to the key `cursor` are done. `total` is an estimate.

    While it is not finished, a task is handed out when `due_at` is over. `rests` says why it waits.
    """

    __tablename__ = "backfill"
    name: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[BigInt] = mapped_column(server_default="0")
    done: Mapped[BigInt] = mapped_column(server_default="0")
    total: Mapped[BigInt] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    rests: Mapped[str] = mapped_column(server_default="")
    error: Mapped[str] = mapped_column(server_default="")
    failures: Mapped[int] = mapped_column(server_default="0")
