"""Test suites and cases. The outcome and error of a job are not here: no result can change them.

Both tables are partitioned (labq.models.partition) and have no foreign keys, so that a month is
dropped in no time; who deletes jobs deletes their results too (`labq.services.results.delete_of`).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Identity, Index, Numeric, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.verdicts import Verdict
from labq.models.base import Base, BigInt, Json, named
from labq.models.partition import PARTITIONING

SERVER_STEP = -1


class TestSuite(Base):
    """Named results of one test block of a job's run; without one the job failed before it ran.

    The numbers are those of its cases by verdict, kept in the transactions that write the cases.
    """

    __test__ = False
    __tablename__ = "test_suite"
    __table_args__ = (
        UniqueConstraint("job_id", "run_id", "name", "submitted_on", name="uq_test_suite_job_id"),
        {"postgresql_partition_by": PARTITIONING},
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[BigInt]
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    submitted_on: Mapped[date] = mapped_column(primary_key=True)
    passed: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    unknown: Mapped[int] = mapped_column(server_default="0")
    name: Mapped[str]


class TestCase(Base):
    """One named result; its identity is where its signal stood. Superseded ones are deleted.

    Those that the server writes itself have the step SERVER_STEP and no channel. The unique index is
    also the order in which cases of a suite are listed; columns stand in the order that wastes least.
    """

    __test__ = False
    __tablename__ = "test_case"
    __table_args__ = (
        UniqueConstraint(
            "suite_id",
            "offset",
            "step",
            "channel",
            "name",
            "epoch",
            "submitted_on",
            name="uq_test_case_suite_id",
        ),
        Index("ix_test_case_newest", "name", "submitted_on", "id"),
        Index(
            "ix_test_case_failed",
            "submitted_on",
            "id",
            postgresql_where=text("verdict = 'fail'"),
        ),
        {"postgresql_partition_by": PARTITIONING},
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    suite_id: Mapped[BigInt]
    offset: Mapped[BigInt]
    logged_at: Mapped[datetime]
    submitted_on: Mapped[date] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    line: Mapped[int | None]
    start_line: Mapped[int | None]
    end_line: Mapped[int | None]
    step: Mapped[int] = mapped_column(SmallInteger)
    verdict: Mapped[Verdict] = mapped_column(named(Verdict, name="verdict"))
    channel: Mapped[str]
    name: Mapped[str]
    units: Mapped[str] = mapped_column(server_default="")
    measurement: Mapped[Decimal | None] = mapped_column(Numeric(30, 10))
    test_set: Mapped[str | None]
    details: Mapped[Json] = mapped_column(JSONB, server_default="{}")
