"""Lab hosts as the server knows them from their reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.states import HostHealth, HostState
from labq.models.base import Base, BigInt, Json, named


class Host(Base):
    """A machine that boards hang on. `sequence` is the last durable event applied.

    `reported_at` is by the database's clock; `lost_after_seconds` null: as the server is set.
    """

    __tablename__ = "host"
    name: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(server_default="127.0.0.1")
    description: Mapped[str] = mapped_column(server_default="")
    state: Mapped[HostState] = mapped_column(named(HostState, name="state"))
    health: Mapped[HostHealth] = mapped_column(named(HostHealth, name="health"))
    sequence: Mapped[BigInt] = mapped_column(server_default="0")
    up_id: Mapped[str] = mapped_column(server_default="0-0")
    version: Mapped[str] = mapped_column(server_default="")
    reported_at: Mapped[datetime | None]
    lost_after_seconds: Mapped[int | None]
    slots: Mapped[Json] = mapped_column(JSONB, server_default="{}")
