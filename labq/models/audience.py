"""Who may see jobs: each distinct rule is one row, and every job names one of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base

PUBLIC = 0
"""The audience of public jobs: no group is asked for, and nobody owns it."""


def is_public(audience_id: int) -> bool:
    """Tell whether jobs of this audience were submitted as public.

    Ids below PUBLIC are those of public jobs on devices that not everybody may view.
    """
    return audience_id <= PUBLIC


class Audience(Base):
    """One rule: a member of all `groups` (sorted, each once), and `owner_id` alone if it is set.

    Submitters and admins see their jobs and all jobs whatever the rule says. The rule of personal
    jobs has no group and an owner. With `any_of` (sorted, each once) it is a member of any of these:
    the rule of public jobs on devices that only they may view, and of these devices themselves.
    """

    __tablename__ = "audience"
    __table_args__ = (
        Index(
            "uq_audience_all_of",
            "groups",
            unique=True,
            postgresql_where=text("owner_id IS NULL AND any_of IS NULL"),
        ),
        Index(
            "uq_audience_any_of",
            "any_of",
            unique=True,
            postgresql_where=text("any_of IS NOT NULL"),
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
    any_of: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))


class AudienceSubmitter(Base):
    """A user who submitted jobs for an audience of groups: lists look there for the user's own."""

    __tablename__ = "audience_submitter"
    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    audience_id: Mapped[int] = mapped_column(
        ForeignKey("audience.id", ondelete="CASCADE"), primary_key=True, index=True
    )
