"""Order the indexes of lists as lists are, so that no other one is taken; add those of own jobs and names."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
phase = "expand"

# Name, columns before the id, condition: a list by these columns, for all and in one audience.
LISTED: tuple[tuple[str, list[str], str | None], ...] = (
    ("active", ["state"], "state <> 'finished'"),
    ("finished", [], "state = 'finished'"),
    ("outcome", ["outcome"], "outcome IS NOT NULL"),
    ("error_type", ["error_type"], "error_type IS NOT NULL"),
    ("device_type", ["device_type"], None),
    ("device_id", ["device_id"], "device_id IS NOT NULL"),
    ("host", ["host"], "host IS NOT NULL"),
    ("submitter_id", ["submitter_id"], None),
)
FILTERED = [
    "id",
    "audience_id",
    "device_type",
    "state",
    "outcome",
    "error_type",
    "device_id",
    "host",
    "submitted_at",
]
NAMED = ("device", "user")
STORAGE = ("autovacuum_vacuum_scale_factor", "autovacuum_vacuum_insert_scale_factor")


def upgrade() -> None:
    """Make the new indexes while jobs go on, then take those away that they stand for."""
    with op.get_context().autocommit_block():
        for name, columns, where in LISTED:
            _create("job", f"ix_job_{name}_newest", columns, where=where)
            _create("job", f"ix_job_{name}_audience_newest", [*columns, "audience_id"], where=where)
        _create("job", "ix_job_audience_newest", ["audience_id"])
        _create("job", "ix_job_own", ["submitter_id"], include=FILTERED, where="audience_id <> 0")
        for table in NAMED:
            _create(table, f"ix_{table}_names", ["id"], order="", include=["name"])
        labels = ["name", "value", "audience_id"]
        _create("job_label", "ix_job_label_newest", labels, order="job_id", include=["job_id"])
        op.create_index(
            "ix_job_label_job",
            "job_label",
            ["job_id"],
            postgresql_using="hash",
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        for table, name in _old():
            op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
    op.execute(
        "ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0.02,"
        " autovacuum_vacuum_insert_scale_factor = 0.02)"
    )


def downgrade() -> None:
    """Put the indexes back as they were."""
    op.execute(f"ALTER TABLE job RESET ({', '.join(STORAGE)})")
    for name, columns, where in LISTED:
        condition = None if where is None else sa.text(where)
        op.create_index(f"ix_job_{name}", "job", [*columns, "id"], postgresql_where=condition)
        op.create_index(
            f"ix_job_{name}_audience",
            "job",
            [*columns, "audience_id", "id"],
            postgresql_where=condition,
        )
        op.drop_index(f"ix_job_{name}_newest", "job")
        op.drop_index(f"ix_job_{name}_audience_newest", "job")
    op.create_index("ix_job_audience", "job", ["audience_id", "id"])
    op.drop_index("ix_job_audience_newest", "job")
    op.drop_index("ix_job_own", "job")
    for table in NAMED:
        op.drop_index(f"ix_{table}_names", table)
    op.create_index("ix_job_label_job_id", "job_label", ["job_id"])
    op.create_index(
        "ix_job_label_audience", "job_label", ["name", "value", "audience_id", "job_id"]
    )
    op.drop_index("ix_job_label_newest", "job_label")
    op.drop_index("ix_job_label_job", "job_label")


def _old() -> list[tuple[str, str]]:
    names = [f"ix_job_{name}{end}" for name, _, _ in LISTED for end in ("", "_audience")]
    labels = ("ix_job_label_job_id", "ix_job_label_audience")
    return [("job", name) for name in (*names, "ix_job_audience")] + [
        ("job_label", name) for name in labels
    ]


def _create(
    table: str,
    name: str,
    columns: Sequence[str],
    *,
    order: str = "id",
    where: str | None = None,
    include: Sequence[str] = (),
) -> None:
    last = [sa.text(f"(- {order})")] if order else []
    op.create_index(
        name,
        table,
        [*columns, *last],
        postgresql_where=None if where is None else sa.text(where),
        postgresql_include=list(include),
        postgresql_concurrently=True,
        if_not_exists=True,
    )
