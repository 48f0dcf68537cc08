"""Look up jobs by a hash of their ids: a page of a search by labels looks up each of its jobs."""

from __future__ import annotations

from labq.migration import steps

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    """Make the index."""
    steps.create_index("ix_job_look_up", "job", "id", using="hash")


def downgrade() -> None:
    """Take it away."""
    steps.drop_index("ix_job_look_up")
