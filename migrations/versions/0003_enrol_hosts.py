"""Enrol hosts: codes, Redis users, credentials; and devices that are to move."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the column of the host that a device is to move to."""
    op.create_table(
        "enrolment",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=True),
        sa.Column("code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redis_hash", sa.Text(), nullable=True),
        sa.Column("credential_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("joined_from", sa.Text(), server_default="", nullable=False),
        sa.Column("ca_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["host"], ["host.name"], name=op.f("fk_enrolment_host"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_enrolment")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_enrolment_code_digest")),
        sa.UniqueConstraint("credential_digest", name=op.f("uq_enrolment_credential_digest")),
    )
    op.add_column("device", sa.Column("next_host", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_device_next_host"), "device", "host", ["next_host"], ["name"], ondelete="SET NULL"
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_column("device", "next_host")
    op.drop_table("enrolment")
