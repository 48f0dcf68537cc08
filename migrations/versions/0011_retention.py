"""Add policies of retention, pins, counts of days, runs, and what stands in which bundle."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "archive_bundle",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("jobs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_bundle")),
        sa.UniqueConstraint("name", name=op.f("uq_archive_bundle_name")),
    )
    op.create_index(op.f("ix_archive_bundle_day"), "archive_bundle", ["day"], unique=False)
    op.create_index(
        "ix_archive_bundle_unwritten",
        "archive_bundle",
        ["id"],
        unique=False,
        postgresql_where=sa.text("written_at IS NULL"),
    )
    op.create_table(
        "doomed_blob",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "digest", name=op.f("pk_doomed_blob")),
    )
    op.create_index(op.f("ix_doomed_blob_due_at"), "doomed_blob", ["due_at"], unique=False)
    op.create_table(
        "doomed_month",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month", "table_name", name=op.f("pk_doomed_month")),
    )
    op.create_table(
        "retention_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("next_due", sa.Date(), nullable=True),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_retention_day")),
    )
    op.create_index(op.f("ix_retention_day_next_due"), "retention_day", ["next_due"], unique=False)
    op.create_table(
        "retention_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("holder", sa.Text(), server_default="", nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor", sa.Date(), nullable=True),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("jobs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("bundles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_run")),
    )
    op.create_index(
        "uq_retention_run_open",
        "retention_run",
        [sa.literal_column("(ended_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "retention_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_retention_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_state")),
    )
    op.create_table(
        "retention_policy",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("device_type", sa.Text(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "complete",
                "incomplete",
                "canceled",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("console_days", sa.Integer(), nullable=True),
        sa.Column("artifacts_days", sa.Integer(), nullable=True),
        sa.Column("logs_days", sa.Integer(), nullable=True),
        sa.Column("plans_days", sa.Integer(), nullable=True),
        sa.Column("results_days", sa.Integer(), nullable=True),
        sa.Column("jobs_days", sa.Integer(), nullable=True),
        sa.Column("is_archived", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "artifacts_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_artifacts_days")
        ),
        sa.CheckConstraint(
            "console_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_console_days")
        ),
        sa.CheckConstraint(
            "jobs_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_jobs_days")
        ),
        sa.CheckConstraint(
            "logs_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_logs_days")
        ),
        sa.CheckConstraint(
            "plans_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_plans_days")
        ),
        sa.CheckConstraint(
            "results_days BETWEEN 1 AND 36500", name=op.f("ck_retention_policy_results_days")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["group.id"],
            name=op.f("fk_retention_policy_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policy")),
        sa.UniqueConstraint("name", name=op.f("uq_retention_policy_name")),
    )
    op.create_table(
        "retention_tally",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "console",
                "artifacts",
                "logs",
                "plans",
                "results",
                "jobs",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("pinned", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["day"], ["retention_day.day"], name=op.f("fk_retention_tally_day"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "day", "policy_id", "kind", "due_on", name=op.f("pk_retention_tally")
        ),
    )
    op.create_table(
        "archived_job",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("submitter_id", sa.BigInteger(), nullable=False),
        sa.Column("audience_id", sa.Integer(), nullable=False),
        sa.Column("device_type", sa.Text(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "complete",
                "incomplete",
                "canceled",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column(
            "error_type",
            sa.Enum(
                "Infrastructure",
                "Job",
                "Test",
                "Bug",
                "Canceled",
                "Configuration",
                name="error_type",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audience.id"],
            name=op.f("fk_archived_job_audience_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["submitter_id"],
            ["user.id"],
            name=op.f("fk_archived_job_submitter_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_archived_job")),
    )
    op.create_table(
        "archived_part",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "console",
                "artifacts",
                "logs",
                "plans",
                "results",
                "jobs",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("bundle_id", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["archive_bundle.id"],
            name=op.f("fk_archived_part_bundle_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["archived_job.job_id"],
            name=op.f("fk_archived_part_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "kind", name=op.f("pk_archived_part")),
    )
    op.create_index(
        op.f("ix_archived_part_bundle_id"), "archived_part", ["bundle_id"], unique=False
    )
    op.create_index(
        "ix_archived_part_pending",
        "archived_part",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "job_pin",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pinned_by", sa.Text(), nullable=False),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_pin_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_pin")),
    )


def downgrade() -> None:
    """Take them away; bundles stay where they are."""
    op.drop_table("job_pin")
    op.drop_index(
        "ix_archived_part_pending",
        table_name="archived_part",
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.drop_index(op.f("ix_archived_part_bundle_id"), table_name="archived_part")
    op.drop_table("archived_part")
    op.drop_table("archived_job")
    op.drop_table("retention_tally")
    op.drop_table("retention_policy")
    op.drop_table("retention_state")
    op.drop_index(
        "uq_retention_run_open",
        table_name="retention_run",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("retention_run")
    op.drop_index(op.f("ix_retention_day_next_due"), table_name="retention_day")
    op.drop_table("retention_day")
    op.drop_table("doomed_month")
    op.drop_index(op.f("ix_doomed_blob_due_at"), table_name="doomed_blob")
    op.drop_table("doomed_blob")
    op.drop_index(
        "ix_archive_bundle_unwritten",
        table_name="archive_bundle",
        postgresql_where=sa.text("written_at IS NULL"),
    )
    op.drop_index(op.f("ix_archive_bundle_day"), table_name="archive_bundle")
    op.drop_table("archive_bundle")
