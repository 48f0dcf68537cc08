"""Give device types further names, and keep templates of device files."""

from __future__ import annotations

import sqlalchemy as sa

from labq.migration import steps

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    """Add a table for each."""
    steps.create_table(
        "device_type_alias",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column(
            "device_type",
            sa.Text(),
            sa.ForeignKey(
                "device_type.name",
                name="fk_device_type_alias_device_type",
                ondelete="CASCADE",
            ),
            nullable=False,
        ),
    )
    steps.create_index("ix_device_type_alias_device_type", "device_type_alias", "device_type")
    steps.create_table(
        "device_template",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take them away."""
    steps.drop_table("device_template")
    steps.drop_table("device_type_alias")
