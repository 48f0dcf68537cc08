"""Keep which protocol a host speaks, and which labq may still work on the schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the one row; a later revision that takes something away raises `oldest`."""
    op.add_column("host", sa.Column("protocol", sa.Integer(), server_default="1", nullable=False))
    op.add_column("host", sa.Column("mismatch", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "compatibility",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("oldest", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_compatibility_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compatibility")),
    )
    op.execute("INSERT INTO compatibility (id, oldest) VALUES (1, '0001')")


def downgrade() -> None:
    """Take them away."""
    op.drop_table("compatibility")
    op.drop_column("host", "mismatch")
    op.drop_column("host", "protocol")
