"""Retention: policies, pins, what is due on each day, runs, and what stands in which bundle."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.errors import ErrorType
from labq.domain.retention import Kind
from labq.domain.states import Outcome
from labq.models.base import Base, BigInt, Key, named

_DAYS = ("console_days", "artifacts_days", "logs_days", "plans_days", "results_days", "jobs_days")


class RetentionPolicy(Base):
    """How long the data of some jobs is kept; the first by (position, id) that fits a job decides.

    A selector that is null fits every job; a number of days that is null keeps the kind for ever.
    """

    __tablename__ = "retention_policy"
    __table_args__ = tuple(
        CheckConstraint(f"{days} BETWEEN 1 AND 36500", name=days) for days in _DAYS
    )
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int]
    group_id: Mapped[int | None] = mapped_column(ForeignKey("group.id", ondelete="CASCADE"))
    device_type: Mapped[str | None]
    outcome: Mapped[Outcome | None] = mapped_column(named(Outcome, name="outcome"))
    console_days: Mapped[int | None]
    artifacts_days: Mapped[int | None]
    logs_days: Mapped[int | None]
    plans_days: Mapped[int | None]
    results_days: Mapped[int | None]
    jobs_days: Mapped[int | None]
    is_archived: Mapped[bool] = mapped_column(server_default="true")
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class RetentionState(Base):
    """The one row that says which policies are in force, and when the next step is due.

    `revision` grows with each change of policies: what was counted or planned before is void.
    """

    __tablename__ = "retention_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[BigInt]
    due_at: Mapped[datetime]


class JobPin(Base):
    """A job that retention leaves alone, with all it has."""

    __tablename__ = "job_pin"
    job_id: Mapped[int] = mapped_column(
        ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    pinned_by: Mapped[str]
    pinned_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(server_default="")


class RetentionDay(Base):
    """The jobs submitted on one UTC day, as last counted.

    The count holds while `revision` is that of the policies; nothing of it is due before `next_due`
    (null: never). `kept` jobs have results that stay: pinned, or no policy removes them.
    """

    __tablename__ = "retention_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    revision: Mapped[BigInt]
    next_due: Mapped[date | None] = mapped_column(index=True)
    kept: Mapped[int]


class RetentionTally(Base):
    """How much of one day's data a policy removes on `due_on`; pinned jobs count apart."""

    __tablename__ = "retention_tally"
    day: Mapped[date] = mapped_column(
        ForeignKey("retention_day.day", ondelete="CASCADE"), primary_key=True
    )
    policy_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[Kind] = mapped_column(named(Kind, name="kind"), primary_key=True)
    due_on: Mapped[date] = mapped_column(primary_key=True)
    jobs: Mapped[int]
    bytes: Mapped[BigInt]
    pinned: Mapped[int]


class RetentionRun(Base):
    """One run of retention; at most one is not ended. `holder` works at it until `held_until`.

    `cursor` is the day that it is at, `step` says what is done there.
    """

    __tablename__ = "retention_run"
    __table_args__ = (
        Index(
            "uq_retention_run_open",
            text("(ended_at IS NULL)"),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    asked_by: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    holder: Mapped[str] = mapped_column(server_default="")
    held_until: Mapped[datetime]
    cursor: Mapped[date | None]
    step: Mapped[str] = mapped_column(server_default="")
    jobs: Mapped[int] = mapped_column(server_default="0")
    parts: Mapped[int] = mapped_column(server_default="0")
    bundles: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[BigInt] = mapped_column(server_default="0")
    error: Mapped[str] = mapped_column(server_default="")


class ArchiveBundle(Base):
    """A file of the archive; until `written_at` is set it is being written, or was left by a crash."""

    __tablename__ = "archive_bundle"
    __table_args__ = (
        Index("ix_archive_bundle_unwritten", "id", postgresql_where=text("written_at IS NULL")),
    )
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    day: Mapped[date] = mapped_column(index=True)
    jobs: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[BigInt] = mapped_column(server_default="0")
    sha256: Mapped[str] = mapped_column(server_default="")
    begun_at: Mapped[datetime]
    written_at: Mapped[datetime | None]


class ArchivedJob(Base):
    """What is known of a job of which retention took something; it stays when the job's row goes.

    `removed_at` is when the whole job went. Who sees it is decided as for a job.
    """

    __tablename__ = "archived_job"
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]
    submitter_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="RESTRICT"))
    audience_id: Mapped[int] = mapped_column(ForeignKey("audience.id", ondelete="RESTRICT"))
    device_type: Mapped[str]
    outcome: Mapped[Outcome | None] = mapped_column(named(Outcome, name="outcome"))
    error_type: Mapped[ErrorType | None] = mapped_column(named(ErrorType, name="error_type"))
    submitted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class ArchivedPart(Base):
    """One kind of a job's data that stands in a bundle (null: removed unarchived, as a policy says).

    `removed_at` is null between the writing of the bundle and the removal, which is decided by the
    policies of `revision`. `size` is what was archived, in bytes: more than that is not removed.
    """

    __tablename__ = "archived_part"
    __table_args__ = (
        Index("ix_archived_part_pending", "job_id", postgresql_where=text("removed_at IS NULL")),
    )
    job_id: Mapped[int] = mapped_column(
        ForeignKey("archived_job.job_id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[Kind] = mapped_column(named(Kind, name="kind"), primary_key=True)
    bundle_id: Mapped[int | None] = mapped_column(
        ForeignKey("archive_bundle.id", ondelete="RESTRICT"), index=True
    )
    size: Mapped[BigInt]
    revision: Mapped[BigInt]
    removed_at: Mapped[datetime | None]


class DoomedBlob(Base):
    """A file that nothing in the database names any more: removed once `due_at` has passed.

    Of a run's log when `digest` is empty, else of an artifact. A restore names its files here before
    it writes them, and takes the names away with the transaction that brings the rows back.
    """

    __tablename__ = "doomed_blob"
    run_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)


class DoomedMonth(Base):
    """A partition whose rows count as removed: it is dropped as soon as its readers let it be."""

    __tablename__ = "doomed_month"
    month: Mapped[date] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
