"""Callbacks and mails that are due, written with the transition that caused them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.states import DeliveryState
from labq.models.base import Base, Json, Key, named


class Delivery(Base):
    """One message to the outside: what, where, how often tried."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "due_at", postgresql_where=text("state = 'pending'")),
    )
    id: Mapped[Key]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    target: Mapped[Json] = mapped_column(JSONB)
    state: Mapped[DeliveryState] = mapped_column(named(DeliveryState, name="state"))
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str] = mapped_column(server_default="")
    sent_at: Mapped[datetime | None]
