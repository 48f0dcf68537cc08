"""Add what LAVA's clients show of jobs, devices, types, hosts and users, and counts by audience."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from labq.migration import steps

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
phase = "expand"

TEXTS = postgresql.ARRAY(sa.Text())
COLUMNS: tuple[tuple[str, sa.Column[object]], ...] = (
    ("job", sa.Column("failure_comment", sa.Text())),
    ("job", sa.Column("failure_tags", TEXTS, server_default="{}", nullable=False)),
    ("device", sa.Column("device_version", sa.Text())),
    ("device", sa.Column("physical_owner_id", sa.BigInteger())),
    ("device", sa.Column("physical_group_id", sa.BigInteger())),
    ("device_type", sa.Column("is_displayed", sa.Boolean(), server_default="true", nullable=False)),
    ("device_type", sa.Column("architecture", sa.Text())),
    ("device_type", sa.Column("processor", sa.Text())),
    ("device_type", sa.Column("cpu_model", sa.Text())),
    ("device_type", sa.Column("bits", sa.SmallInteger())),
    ("device_type", sa.Column("cores", TEXTS, server_default="{}", nullable=False)),
    ("device_type", sa.Column("core_count", sa.SmallInteger())),
    ("host", sa.Column("job_limit", sa.Integer(), server_default="0", nullable=False)),
    ("host", sa.Column("environment", sa.Text())),
    ("host", sa.Column("device_environment", sa.Text())),
    ("host", sa.Column("dispatcher_config", sa.Text())),
    ("user", sa.Column("is_staff", sa.Boolean(), server_default="false", nullable=False)),
    ("user", sa.Column("first_name", sa.Text(), server_default="", nullable=False)),
    ("user", sa.Column("last_name", sa.Text(), server_default="", nullable=False)),
    ("count_delta", sa.Column("audience_id", sa.Integer())),
    ("count_delta", sa.Column("block", sa.BigInteger())),
)
OWNERS = (
    ("physical_owner_id", '"user" (id)'),
    ("physical_group_id", '"group" (id)'),
)
# Labels of jobs are found value by value in their index: there are few, on up to millions of rows.
TAGS = """
INSERT INTO tag (name)
WITH RECURSIVE label (value) AS (
  (SELECT value FROM job_label WHERE name = 'tag' ORDER BY value LIMIT 1)
  UNION ALL
  SELECT (SELECT value FROM job_label WHERE name = 'tag' AND value > label.value
           ORDER BY value LIMIT 1)
    FROM label WHERE label.value IS NOT NULL
)
SELECT value FROM label WHERE value IS NOT NULL
UNION
SELECT unnest(tags) FROM device
ON CONFLICT (name) DO NOTHING
"""
# A move of nothing that says nothing of audiences: the conductor counts them anew when it sees it.
COUNT_ANEW = """
INSERT INTO count_delta (device_type)
SELECT '' FROM (SELECT FROM job_count UNION ALL SELECT FROM queue_length) AS counted LIMIT 1
"""


def upgrade() -> None:
    """Add columns and tables, and have what there is counted; later jobs are counted as they come."""
    for table, column in COLUMNS:
        steps.add_column(table, column)
    for name, target in OWNERS:
        steps.add_foreign_key(f"fk_device_{name}", "device", [name], target, ondelete="SET NULL")
    steps.create_table(
        "tag",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_name")),
    )
    _create_counts()
    for statement in (TAGS, COUNT_ANEW):
        steps.run(statement)


def downgrade() -> None:
    """Take them away."""
    for table in ("block_count", "audience_count", "tag"):
        steps.drop_table(table)
    for table, column in COLUMNS:
        steps.drop_column(f'"{table}"' if table == "user" else table, column.name)


def _create_counts() -> None:
    for table, key in (
        ("audience_count", sa.Column("device_type", sa.Text(), nullable=False)),
        ("block_count", sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False)),
    ):
        steps.create_table(
            table,
            sa.Column("audience_id", sa.Integer(), autoincrement=False, nullable=False),
            key,
            sa.Column("outcome", sa.Text(), nullable=False),
            sa.Column("jobs", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("audience_id", key.name, "outcome", name=op.f(f"pk_{table}")),
        )
