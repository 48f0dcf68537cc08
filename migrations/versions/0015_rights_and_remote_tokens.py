"""Give groups rights on devices and types, audiences of any of several groups, users remote tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from labq.migration import steps

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
phase = "expand"

RIGHTS = (
    ("device_right", "device_id", sa.BigInteger(), "device.id"),
    ("device_type_right", "device_type", sa.Text(), "device_type.name"),
)
UNRESTRICTED = "owner_id IS NULL AND any_of IS NULL"


def upgrade() -> None:
    """Add the tables and columns. The rule of all groups is unique among those of its kind alone."""
    steps.add_column("audience", sa.Column("any_of", postgresql.ARRAY(sa.BigInteger())))
    steps.create_index("uq_audience_all_of", "audience", "groups", unique=True, where=UNRESTRICTED)
    steps.create_index(
        "uq_audience_any_of", "audience", "any_of", unique=True, where="any_of IS NOT NULL"
    )
    steps.drop_index("uq_audience_groups")
    for table in ("device_type", "device"):
        _add_audience(table)
    steps.add_column("device", sa.Column("submitters", postgresql.ARRAY(sa.BigInteger())))
    version = sa.Column("rights_version", sa.Integer(), server_default="0", nullable=False)
    steps.add_column("device_type", version)
    steps.add_column("device_type", sa.Column("moves_due_at", sa.DateTime(timezone=True)))
    for table, column, kind, target in RIGHTS:
        _create_rights(table, sa.Column(column, kind, nullable=False), target)
    _create_tokens()


def downgrade() -> None:
    """Take them away: what was restricted is for everybody again."""
    steps.drop_column("token", "sealed")
    steps.drop_table("remote_token")
    for table, *_ in RIGHTS:
        steps.drop_table(table)
    steps.drop_column("device", "submitters")
    for column in ("rights_version", "moves_due_at", "audience_id"):
        steps.drop_column("device_type", column)
    steps.drop_column("device", "audience_id")
    for table in ("job", "job_label", "archived_job"):
        steps.run(f"UPDATE {table} SET audience_id = 0 WHERE audience_id < 0")
    steps.run("DELETE FROM audience WHERE any_of IS NOT NULL")
    steps.create_index(
        "uq_audience_groups", "audience", "groups", unique=True, where="owner_id IS NULL"
    )
    steps.drop_index("uq_audience_any_of")
    steps.drop_index("uq_audience_all_of")
    steps.drop_column("audience", "any_of")


def _add_audience(table: str) -> None:
    column = sa.Column("audience_id", sa.Integer(), server_default="0", nullable=False)
    steps.add_column(table, column)
    steps.add_foreign_key(
        f"fk_{table}_audience_id", table, ["audience_id"], "audience (id)", ondelete="RESTRICT"
    )


def _create_rights(table: str, of: sa.Column[object], target: str) -> None:
    steps.create_table(
        table,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        of,
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("grants", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "grants IN ('view', 'submit', 'change')", name=op.f(f"ck_{table}_grants")
        ),
        sa.ForeignKeyConstraint(
            [of.name], [target], name=op.f(f"fk_{table}_{of.name}"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["group.id"], name=op.f(f"fk_{table}_group_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(
            of.name, "group_id", "grants", name=op.f(f"uq_{table}_{of.name}_group_id_grants")
        ),
    )
    steps.create_index(f"ix_{table}_group_id", table, "group_id")


def _create_tokens() -> None:
    steps.add_column("token", sa.Column("sealed", sa.LargeBinary()))
    steps.create_table(
        "remote_token",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_remote_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_token")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_remote_token_user_id_name")),
    )
