"""Runs of a job: one execution on one device, its plan and its steps."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.errors import ErrorType
from labq.domain.plan import Queue, StepKind
from labq.domain.states import RunState, StepState
from labq.models.base import Base, BigInt, Key, named
from labq.models.partition import PARTITIONING


class Run(Base):
    """One execution. `sent` is the id of the order that announced the last sending, null before.

    `epoch` and `next` are what that order said.
    `results` counts what its host reported, superseded ones too.
    `error_type` and `error_message` are the first failure of a step, or why the run was canceled.
    `lost_at` is when the server ended the run without its host; until `torn_down_at` its device and
    resources stay held, for the host may still be at work there. `is_host_fault`: the first failure
    is the host's, and says nothing of the device. A guest works on a device that another run holds:
    it moves neither that nor its health.
    """

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        Index("ix_run_open", "host", "id", postgresql_where=text("state <> 'ended'")),
        Index("ix_run_unsent", "id", postgresql_where=text("sent IS NULL AND state <> 'ended'")),
        Index(
            "ix_run_lost",
            "host",
            "id",
            postgresql_where=text("lost_at IS NOT NULL AND torn_down_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    number: Mapped[int]
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="RESTRICT"), index=True)
    host: Mapped[str] = mapped_column(ForeignKey("host.name", ondelete="RESTRICT"))
    state: Mapped[RunState] = mapped_column(named(RunState, name="state"))
    epoch: Mapped[int]
    next: Mapped[int]
    sent: Mapped[str | None]
    sent_reason: Mapped[str] = mapped_column(server_default="")
    reserved_at: Mapped[datetime]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    lost_at: Mapped[datetime | None]
    torn_down_at: Mapped[datetime | None]
    error_type: Mapped[ErrorType | None] = mapped_column(named(ErrorType, name="error_type"))
    error_message: Mapped[str] = mapped_column(server_default="")
    is_host_fault: Mapped[bool] = mapped_column(server_default="false")
    results: Mapped[int] = mapped_column(server_default="0")
    is_guest: Mapped[bool] = mapped_column(server_default="false")

    @property
    def is_awaited(self) -> bool:
        """Return whether the run was given up, and its host has not torn it down yet."""
        return self.lost_at is not None and self.torn_down_at is None


IS_AWAITED = and_(Run.lost_at.is_not(None), Run.torn_down_at.is_(None))
"""Runs that were given up and that their hosts have not torn down yet."""


class RunLog(Base):
    """How much of a run's log is stored and synced; there is no row before its first byte.

    Partitioned and without foreign keys as results are, and dropped by itself.
    """

    __tablename__ = "run_log"
    __table_args__ = (
        Index("ix_run_log_unpacked", "run_id", postgresql_where=text("NOT is_packed")),
        {"postgresql_partition_by": PARTITIONING},
    )
    run_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    bytes: Mapped[BigInt]
    lines: Mapped[BigInt]
    submitted_on: Mapped[date] = mapped_column(primary_key=True)
    is_packed: Mapped[bool] = mapped_column(server_default="false")


class RunPlan(Base):
    """The plan's JSON as sent to the host, by digest."""

    __tablename__ = "run_plan"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str]
    plan: Mapped[str]


class Step(Base):
    """One step of a run's chain, from the host's events.

    `suspect` says why its failure may be the host's and not the board's.
    """

    __tablename__ = "step"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[StepKind] = mapped_column(named(StepKind, name="kind"))
    queue: Mapped[Queue] = mapped_column(named(Queue, name="queue"))
    name: Mapped[str]
    method: Mapped[str]
    restart_from: Mapped[int]
    state: Mapped[StepState] = mapped_column(named(StepState, name="state"))
    epoch: Mapped[int] = mapped_column(server_default="0")
    begins: Mapped[int] = mapped_column(server_default="0")
    waited_ms: Mapped[BigInt] = mapped_column(server_default="0")
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error_type: Mapped[ErrorType | None] = mapped_column(named(ErrorType, name="error_type"))
    error_message: Mapped[str] = mapped_column(server_default="")
    suspect: Mapped[str] = mapped_column(server_default="")
