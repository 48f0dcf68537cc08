"""Find the jobs that ended since some moment, whenever they were submitted."""

from __future__ import annotations

from labq.migration import steps

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    """Make the index while jobs go on."""
    steps.create_index("ix_job_ended_at", "job", "ended_at", where="ended_at IS NOT NULL")


def downgrade() -> None:
    """Take it away."""
    steps.drop_index("ix_job_ended_at")
