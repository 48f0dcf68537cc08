"""Keep every try of a delivery, mails that are of no job, and what fell out of the lab."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from labq.migration import steps

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    """Let deliveries be of no job, add their tries, and the table of alarms."""
    steps.run("ALTER TABLE delivery ALTER COLUMN job_id DROP NOT NULL", table="delivery")
    steps.add_column(
        "delivery", sa.Column("tries", postgresql.JSONB(), server_default="[]", nullable=False)
    )
    steps.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    steps.create_index("ix_alarm_mailed_at", "alarm", "mailed_at")


def downgrade() -> None:
    """Take them away; mails of no job go with them."""
    steps.drop_table("alarm")
    steps.drop_column("delivery", "tries")
    steps.run("DELETE FROM delivery WHERE job_id IS NULL")
    steps.set_not_null("delivery", "job_id")
