"""Jobs: the small row that lists read, and the definition apart from it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.models.base import Base, Json, Key, named


class Job(Base):
    """One submitted definition and its life.

    `viewing_groups` is null for a public job; otherwise a viewer is the submitter, an admin, or a
    member of all of them (empty: the submitter alone). `waits_again`: its last run failed for want
    of infrastructure and a further one is to follow; its state stays what it was. `keeps_console`:
    the raw bytes of its consoles become artifacts.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("(state = 'finished') = (outcome IS NOT NULL)", name="outcome_at_end"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority_range"),
        Index(
            "ix_job_waiting",
            "device_type",
            text("priority DESC"),
            "id",
            postgresql_where=text("state = 'submitted'"),
        ),
        Index(
            "ix_job_queue_until",
            "queue_until",
            postgresql_where=text("state = 'submitted' AND queue_until IS NOT NULL"),
        ),
        Index(
            "ix_job_waits_again",
            "device_type",
            text("priority DESC"),
            "id",
            postgresql_where=text("waits_again"),
        ),
        Index(
            "ix_job_health_check",
            "wanted_device",
            postgresql_where=text("is_health_check AND state <> 'finished'"),
        ),
        Index("ix_job_active", "state", "id", postgresql_where=text("state <> 'finished'")),
        Index("ix_job_submitter_id", "submitter_id", text("id DESC")),
        Index("ix_job_device_id", "device_id", text("id DESC")),
        Index("ix_job_device_type_id", "device_type", text("id DESC")),
    )
    id: Mapped[Key]
    name: Mapped[str]
    submitter_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="RESTRICT"))
    device_type: Mapped[str]
    wanted_device: Mapped[str | None]
    wanted_host: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    priority: Mapped[int] = mapped_column(SmallInteger)
    viewing_groups: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    state: Mapped[JobState] = mapped_column(named(JobState, name="state"))
    outcome: Mapped[Outcome | None] = mapped_column(named(Outcome, name="outcome"))
    error_type: Mapped[ErrorType | None] = mapped_column(named(ErrorType, name="error_type"))
    error_message: Mapped[str] = mapped_column(server_default="")
    submitted_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    queue_until: Mapped[datetime | None]
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"))
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    resubmit_of: Mapped[int | None] = mapped_column(BigInteger)
    is_health_check: Mapped[bool] = mapped_column(server_default="false")
    retries_left: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    waits_again: Mapped[bool] = mapped_column(server_default="false")
    keeps_console: Mapped[bool] = mapped_column(server_default="false")


class JobDefinition(Base):
    """The text as submitted, and what was parsed of it that is searched or sent later."""

    __tablename__ = "job_definition"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    definition: Mapped[str]
    job_metadata: Mapped[Json] = mapped_column("metadata", JSONB, server_default="{}")
    notify: Mapped[Json | None] = mapped_column(JSONB)
