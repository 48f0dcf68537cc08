"""Count hits of pages by day, and keep how large tables and indexes were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table for each."""
    op.create_table(
        "page_hit",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "endpoint", name=op.f("pk_page_hit")),
    )
    op.create_table(
        "relation_size",
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("measured_at", "name", name=op.f("pk_relation_size")),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("relation_size")
    op.drop_table("page_hit")
