"""Groups of jobs that run together (multinode): the definition they were split from, and their messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, Json


class JobGroup(Base):
    """One submitted definition with roles; its id is that of its first job.

    `name` is what clients know as the target group. `messages` is the number of the last message:
    they are numbered from 1 without a gap, by who has this row locked. `begun_at` is when the last
    member had begun. `doomed` says why all of its jobs are to be canceled, until they are.
    """

    __tablename__ = "job_group"
    __table_args__ = (
        Index("ix_job_group_doomed", "id", postgresql_where=text("doomed IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str]
    definition: Mapped[str]
    messages: Mapped[int] = mapped_column(server_default="0")
    begun_at: Mapped[datetime | None]
    doomed: Mapped[str | None]


class GroupMember(Base):
    """What a job is in its group.

    `is_essential`: when it does not end complete, all others are canceled. A guest has no device of
    its own: it works on that of the one member with the role `host_role`, once a member with the
    role `start_role` has said so.
    """

    __tablename__ = "group_member"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInteger, index=True)
    role: Mapped[str]
    is_essential: Mapped[bool] = mapped_column(server_default="false")
    host_role: Mapped[str | None]
    start_role: Mapped[str | None]


class GroupMessage(Base):
    """One message in a group: `kind` is `send`, `start` (guests of a role may begin) or `begun`.

    `sender` is the job that sent it, null where the server says it itself.
    """

    __tablename__ = "group_message"
    group_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("job_group.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    name: Mapped[str]
    sender: Mapped[int | None] = mapped_column(BigInteger)
    data: Mapped[Json] = mapped_column(JSONB, server_default="{}")
