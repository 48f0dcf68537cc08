"""Jobs: the small row that lists read, and the definition apart from it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.models.base import Base, Json, Key, named

_FILTERED = (
    "id",
    "audience_id",
    "device_type",
    "state",
    "outcome",
    "error_type",
    "device_id",
    "host",
    "submitted_at",
)


def _listed(name: str, *columns: str, where: str | None = None) -> tuple[Index, Index]:
    """Return the two indexes that a list needs which asks for these columns.

    They are ordered by `-id`, and lists are too: an index that was not made for a list cannot
    deliver in its order, so the planner never takes one that it believes to be as good.
    """
    condition = None if where is None else text(where)
    order = text("(- id)")
    return (
        Index(f"ix_job_{name}_newest", *columns, order, postgresql_where=condition),
        Index(
            f"ix_job_{name}_audience_newest",
            *columns,
            "audience_id",
            order,
            postgresql_where=condition,
        ),
    )


class Job(Base):
    """One submitted definition and its life.

    Its audience says who sees it beside the submitter and admins. `host` is the one of its latest
    run. `waits_again`: its last run failed for want of infrastructure and a further one is to
    follow; its state stays what it was. `keeps_console`: the raw bytes of its consoles become
    artifacts. `group_id` is the id of the first job of its group, `sub_id` its place there from 0.
    `failure_comment` and `failure_tags` are what people noted about why it failed.

    A list by any one column finds its rows newest first, all of them or those of one audience: each
    such column has two indexes.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("(state = 'finished') = (outcome IS NOT NULL)", name="outcome_at_end"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority_range"),
        CheckConstraint("(group_id IS NULL) = (sub_id IS NULL)", name="member_number"),
        Index(
            "uq_job_group",
            "group_id",
            "sub_id",
            unique=True,
            postgresql_where=text("group_id IS NOT NULL"),
        ),
        Index(
            "ix_job_group_waiting",
            "group_id",
            postgresql_where=text("group_id IS NOT NULL AND state = 'submitted'"),
        ),
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
        *_listed("active", "state", where="state <> 'finished'"),
        *_listed("finished", where="state = 'finished'"),
        *_listed("outcome", "outcome", where="outcome IS NOT NULL"),
        *_listed("error_type", "error_type", where="error_type IS NOT NULL"),
        *_listed("device_type", "device_type"),
        *_listed("device_id", "device_id", where="device_id IS NOT NULL"),
        *_listed("host", "host", where="host IS NOT NULL"),
        *_listed("submitter_id", "submitter_id"),
        Index("ix_job_audience_newest", "audience_id", text("(- id)")),
        Index(
            "ix_job_own",
            "submitter_id",
            text("(- id)"),
            postgresql_include=_FILTERED,
            postgresql_where=text("audience_id <> 0"),
        ),
        Index("ix_job_submitted_at", "submitted_at", "id"),
        # Two pages where the primary key takes four: for jobs whose ids are known.
        Index("ix_job_look_up", "id", postgresql_using="hash"),
        Index("ix_job_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )
    id: Mapped[Key]
    name: Mapped[str]
    submitter_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="RESTRICT"))
    device_type: Mapped[str]
    wanted_device: Mapped[str | None]
    wanted_host: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    priority: Mapped[int] = mapped_column(SmallInteger)
    audience_id: Mapped[int] = mapped_column(ForeignKey("audience.id", ondelete="RESTRICT"))
    state: Mapped[JobState] = mapped_column(named(JobState, name="state"))
    outcome: Mapped[Outcome | None] = mapped_column(named(Outcome, name="outcome"))
    error_type: Mapped[ErrorType | None] = mapped_column(named(ErrorType, name="error_type"))
    error_message: Mapped[str] = mapped_column(server_default="")
    submitted_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    queue_until: Mapped[datetime | None]
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"))
    host: Mapped[str | None]
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    resubmit_of: Mapped[int | None] = mapped_column(BigInteger)
    is_health_check: Mapped[bool] = mapped_column(server_default="false")
    retries_left: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    waits_again: Mapped[bool] = mapped_column(server_default="false")
    keeps_console: Mapped[bool] = mapped_column(server_default="false")
    group_id: Mapped[int | None] = mapped_column(BigInteger)
    sub_id: Mapped[int | None] = mapped_column(SmallInteger)
    failure_comment: Mapped[str | None]
    failure_tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")


class JobDefinition(Base):
    """The text as submitted, and what was parsed of it that is searched or sent later."""

    __tablename__ = "job_definition"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    definition: Mapped[str]
    job_metadata: Mapped[Json] = mapped_column("metadata", JSONB, server_default="{}")
    notify: Mapped[Json | None] = mapped_column(JSONB)


class JobLabel(Base):
    """What a job can be searched by beside its columns: `tag`, and `meta.<key>` of its metadata.

    Small values only (`services/job_labels.py`). `audience_id` is that of the job.
    """

    __tablename__ = "job_label"
    __table_args__ = (
        Index(
            "ix_job_label_newest",
            "name",
            "value",
            "audience_id",
            text("(- job_id)"),
            postgresql_include=("job_id",),
        ),
        # Not ordered, so that no list by a label takes it.
        Index("ix_job_label_job", "job_id", postgresql_using="hash"),
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    audience_id: Mapped[int] = mapped_column(ForeignKey("audience.id", ondelete="RESTRICT"))
