"""Who may see jobs: each distinct rule is one row, and every job names one of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base

PUBLIC = 0
"""The audience of public jobs: no group is asked for, and nobody owns it."""


class Audience(Base):
    """One rule: a member of all `groups` (sorted, each once), and `owner_id` alone if it is set.

    Submitters and admins see their jobs and all jobs whatever the rule says. The rule of personal
    jobs has no group and an owner.
    """

    __tablename__ = "audience"
    __table_args__ = (
        Index(
            "uq_audience_groups", "groups", unique=True, postgresql_where=text("owner_id IS NULL")
        ),
        Index(
            "uq_audience_owner_id_groups",
            "owner_id",
            "groups",
            unique=True,
            postgresql_where=text("owner_id IS NOT NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    groups: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))


class AudienceSubmitter(Base):
    """A user who submitted jobs for an audience of groups: lists look there for the user's own."""

    __tablename__ = "audience_submitter"
    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    audience_id: Mapped[int] = mapped_column(
        ForeignKey("audience.id", ondelete="CASCADE"), primary_key=True, index=True
    )
