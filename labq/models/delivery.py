"""Callbacks and mails that are due, written with the transition that caused them; alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.states import DeliveryState
from labq.models.base import Base, Json, Key, named


class Delivery(Base):
    """One message to the outside: what, where, how often tried; of no job where `job_id` is null.

    `tries` has an object for each attempt: when, how long it took, what went wrong.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "due_at", postgresql_where=text("state = 'pending'")),
    )
    id: Mapped[Key]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    target: Mapped[Json] = mapped_column(JSONB)
    state: Mapped[DeliveryState] = mapped_column(named(DeliveryState, name="state"))
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str] = mapped_column(server_default="")
    sent_at: Mapped[datetime | None]
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")


class Alarm(Base):
    """A device or host that fell out, until an admin has been told by mail."""

    __tablename__ = "alarm"
    __table_args__ = (Index("ix_alarm_mailed_at", "mailed_at"),)
    id: Mapped[Key]
    at: Mapped[datetime]
    subject: Mapped[str]
    name: Mapped[str]
    text: Mapped[str]
    mailed_at: Mapped[datetime | None]
