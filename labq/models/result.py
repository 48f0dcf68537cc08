"""Test suites and cases. The outcome and error of a job are not here: no result can change them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.verdicts import Verdict
from labq.models.base import Base, BigInt, Json, Key, named

SERVER_STEP = -1


class TestSuite(Base):
    """Named results of one test block of a job's run; without one the job failed before it ran."""

    __test__ = False
    __tablename__ = "test_suite"
    __table_args__ = (UniqueConstraint("job_id", "run_id", "name"),)
    id: Mapped[Key]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]


class TestCase(Base):
    """One named result; its identity is where its signal stood. Superseded ones are deleted.

    Those that the server writes itself have the step SERVER_STEP and no channel.
    """

    __test__ = False
    __tablename__ = "test_case"
    __table_args__ = (
        UniqueConstraint("suite_id", "step", "epoch", "channel", "offset", "name"),
        Index("ix_test_case_suite_id", "suite_id", "id"),
    )
    id: Mapped[Key]
    suite_id: Mapped[int] = mapped_column(ForeignKey("test_suite.id", ondelete="CASCADE"))
    epoch: Mapped[int]
    step: Mapped[int]
    channel: Mapped[str]
    offset: Mapped[BigInt]
    name: Mapped[str]
    verdict: Mapped[Verdict] = mapped_column(named(Verdict, name="verdict"))
    measurement: Mapped[Decimal | None] = mapped_column(Numeric(30, 10))
    units: Mapped[str] = mapped_column(server_default="")
    test_set: Mapped[str | None]
    logged_at: Mapped[datetime]
    line: Mapped[int | None]
    start_line: Mapped[int | None]
    end_line: Mapped[int | None]
    details: Mapped[Json] = mapped_column(JSONB, server_default="{}")
