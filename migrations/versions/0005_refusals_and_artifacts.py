"""Count what hosts send that is refused, and keep the files that runs leave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns, each with a default that the older server can live with."""
    op.create_table(
        "refusal",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["host"], ["host.name"], name=op.f("fk_refusal_host_host"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_refusal")),
    )
    op.create_table(
        "artifact",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_artifact_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_artifact")),
    )
    op.create_index("ix_rejected_event_host", "rejected_event", ["host", "id"])
    op.add_column("run", sa.Column("results", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "job", sa.Column("keeps_console", sa.Boolean(), server_default="false", nullable=False)
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_column("job", "keeps_console")
    op.drop_column("run", "results")
    op.drop_index("ix_rejected_event_host", "rejected_event")
    op.drop_table("artifact")
    op.drop_table("refusal")
