"""Let hosts tell of their load, be configured, and be told as the cause of a step's failure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = ("load", "config", "timeout_scales")


def upgrade() -> None:
    """Add the columns, each with a default that the older version of the server can live with."""
    for name in COLUMNS:
        op.add_column("host", sa.Column(name, JSONB(), server_default="{}", nullable=False))
    op.add_column(
        "host", sa.Column("config_revision", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("step", sa.Column("suspect", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Take the columns away."""
    op.drop_column("step", "suspect")
    for name in ("config_revision", *COLUMNS):
        op.drop_column("host", name)
