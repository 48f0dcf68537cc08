"""Let runs be given up, devices be checked, and jobs run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AWAITED = sa.text("lost_at IS NOT NULL AND torn_down_at IS NULL")
OPEN_CHECK = sa.text("is_health_check AND state <> 'finished'")


def upgrade() -> None:
    """Add the columns, each with a default that the older version of the server can live with."""
    op.add_column("host", sa.Column("lost_after_seconds", sa.Integer(), nullable=True))
    _add_to_runs_and_jobs()
    _add_to_devices()


def downgrade() -> None:
    """Take the columns away, with their indexes and checks."""
    op.drop_index("ix_job_health_check", "job")
    op.drop_index("ix_job_waits_again", "job")
    op.drop_index("ix_run_lost", "run")
    for table, columns in (
        ("host", ("lost_after_seconds",)),
        ("run", ("lost_at", "torn_down_at", "is_host_fault")),
        ("job", ("is_health_check", "retries_left", "waits_again")),
        ("device", ("health_job_id", "health_checked_at", "jobs_since_check")),
        (
            "device_type",
            ("health_check", "health_frequency", "health_denominator", "health_disabled"),
        ),
    ):
        for column in columns:
            op.drop_column(table, column)


def _add_to_runs_and_jobs() -> None:
    for column in ("lost_at", "torn_down_at"):
        op.add_column("run", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_run_lost", "run", ["host", "id"], postgresql_where=AWAITED)
    for table, flag in (
        ("run", "is_host_fault"),
        ("job", "is_health_check"),
        ("job", "waits_again"),
    ):
        op.add_column(table, sa.Column(flag, sa.Boolean(), server_default="false", nullable=False))
    op.add_column(
        "job", sa.Column("retries_left", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.create_index(
        "ix_job_waits_again",
        "job",
        ["device_type", sa.text("priority DESC"), "id"],
        postgresql_where=sa.text("waits_again"),
    )
    op.create_index("ix_job_health_check", "job", ["wanted_device"], postgresql_where=OPEN_CHECK)


def _add_to_devices() -> None:
    op.add_column("device", sa.Column("health_job_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "device", sa.Column("health_checked_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "device", sa.Column("jobs_since_check", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("device_type", sa.Column("health_check", sa.Text(), nullable=True))
    op.add_column(
        "device_type",
        sa.Column("health_frequency", sa.Integer(), server_default="24", nullable=False),
    )
    op.add_column(
        "device_type",
        sa.Column(
            "health_denominator",
            sa.Enum(
                "hours",
                "jobs",
                name="health_denominator",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="hours",
            nullable=False,
        ),
    )
    op.add_column(
        "device_type",
        sa.Column("health_disabled", sa.Boolean(), server_default="false", nullable=False),
    )
    op.create_check_constraint("health_frequency", "device_type", "health_frequency > 0")
