"""Add groups of jobs that run together: members, messages, and guests on others' devices."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from labq.migration import steps

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    """Add the columns of members, then the tables of groups."""
    steps.add_column("job", sa.Column("group_id", sa.BigInteger(), nullable=True))
    steps.add_column("job", sa.Column("sub_id", sa.SmallInteger(), nullable=True))
    steps.create_index(
        "uq_job_group", "job", "group_id", "sub_id", unique=True, where="group_id IS NOT NULL"
    )
    steps.create_index(
        "ix_job_group_waiting",
        "job",
        "group_id",
        where="group_id IS NOT NULL AND state = 'submitted'",
    )
    steps.add_check("ck_job_member_number", "job", "(group_id IS NULL) = (sub_id IS NULL)")
    steps.add_column(
        "run", sa.Column("is_guest", sa.Boolean(), server_default="false", nullable=False)
    )
    _create_tables()
    steps.create_index("ix_group_member_group_id", "group_member", "group_id")
    steps.create_index("ix_job_group_doomed", "job_group", "id", where="doomed IS NOT NULL")


def downgrade() -> None:
    """Take them away."""
    for table in ("group_message", "group_member", "job_group"):
        steps.drop_table(table)
    steps.drop_column("run", "is_guest")
    steps.drop_constraint("ck_job_member_number", "job")
    steps.drop_index("ix_job_group_waiting")
    steps.drop_index("uq_job_group")
    steps.drop_column("job", "sub_id")
    steps.drop_column("job", "group_id")


def _create_tables() -> None:
    steps.create_table(
        "job_group",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("doomed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["job.id"], name="fk_job_group_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_job_group"),
    )
    steps.create_table(
        "group_member",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_essential", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("host_role", sa.Text(), nullable=True),
        sa.Column("start_role", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_group_member_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_group_member"),
    )
    steps.create_table(
        "group_message",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sender", sa.BigInteger(), nullable=True),
        sa.Column("data", JSONB(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["job_group.id"], name="fk_group_message_group_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "number", name="pk_group_message"),
    )
