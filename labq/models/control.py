"""Rows that keep the server in order: the leader's term, the audit trail, what was refused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, BigInt, Key


class Leader(Base):
    """The one row that says which conductor leads, and until when (the database's clock)."""

    __tablename__ = "leader"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    term: Mapped[BigInt]
    holder: Mapped[str]
    until: Mapped[datetime]
    generation: Mapped[str] = mapped_column(server_default="")


class Compatibility(Base):
    """The one row that says which revision a labq must know at least to work on this schema."""

    __tablename__ = "compatibility"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    oldest: Mapped[str]


class Audit(Base):
    """One change of state or health: who, what, from, to, why."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject", "subject_id", "id"),)
    id: Mapped[Key]
    at: Mapped[datetime]
    actor: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")


class RejectedEvent(Base):
    """Something a host sent that could not be applied, set aside with its reason.

    Of each host the newest ones are kept; its `Refusal` counts them all.
    """

    __tablename__ = "rejected_event"
    __table_args__ = (Index("ix_rejected_event_host", "host", "id"),)
    id: Mapped[Key]
    host: Mapped[str]
    at: Mapped[datetime]
    payload: Mapped[str]
    reason: Mapped[str]


class Refusal(Base):
    """How much of what a host sent was refused in all; the newest reason and its moment."""

    __tablename__ = "refusal"
    host: Mapped[str] = mapped_column(ForeignKey("host.name", ondelete="CASCADE"), primary_key=True)
    entries: Mapped[BigInt]
    reason: Mapped[str]
    at: Mapped[datetime]
