"""Give jobs an audience, labels, the host they ran on, indexes for each list, and counts.

Rows of jobs are rewritten once: this takes a minute for each million of them, with the table locked.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Name, columns before the id, condition: a list by these columns, for all and in one audience.
LISTED = (
    ("active", ["state"], "state <> 'finished'"),
    ("finished", [], "state = 'finished'"),
    ("outcome", ["outcome"], "outcome IS NOT NULL"),
    ("error_type", ["error_type"], "error_type IS NOT NULL"),
    ("device_type", ["device_type"], None),
    ("device_id", ["device_id"], "device_id IS NOT NULL"),
    ("host", ["host"], "host IS NOT NULL"),
    ("submitter_id", ["submitter_id"], None),
)
OLD_INDEXES = (
    ("active", ["state", "id"], "state <> 'finished'"),
    ("submitter_id", ["submitter_id", sa.text("id DESC")], None),
    ("device_id", ["device_id", sa.text("id DESC")], None),
    ("device_type_id", ["device_type", sa.text("id DESC")], None),
)
AUDIENCES = (
    "INSERT INTO audience (id, groups) VALUES (0, '{}')",
    """
INSERT INTO audience (groups)
SELECT DISTINCT ARRAY(SELECT DISTINCT one FROM unnest(viewing_groups) AS one ORDER BY one)
  FROM job WHERE viewing_groups <> '{}'
""",
    """
INSERT INTO audience (groups, owner_id)
SELECT DISTINCT CAST('{}' AS bigint[]), submitter_id FROM job WHERE viewing_groups = '{}'
""",
    "UPDATE job SET host = run.host FROM run WHERE run.id = job.run_id",
    "UPDATE job SET audience_id = 0 WHERE viewing_groups IS NULL",
    """
UPDATE job SET audience_id = audience.id FROM audience
 WHERE job.viewing_groups = '{}' AND audience.owner_id = job.submitter_id
""",
    """
UPDATE job SET audience_id = audience.id FROM audience
 WHERE job.viewing_groups <> '{}' AND audience.owner_id IS NULL
   AND audience.groups
       = ARRAY(SELECT DISTINCT one FROM unnest(viewing_groups) AS one ORDER BY one)
""",
    """
INSERT INTO audience_submitter (user_id, audience_id)
SELECT DISTINCT submitter_id, audience_id FROM job WHERE viewing_groups <> '{}'
""",
)
# At most 50 labels a job, names of 100 and values of 200 characters.
LABELS = """
INSERT INTO job_label (name, value, job_id, audience_id)
SELECT listed.name, value, job_id, audience_id FROM (
  SELECT name, value, job_id,
         row_number() OVER (PARTITION BY job_id ORDER BY name <> 'tag', name, value) AS position
    FROM (
      SELECT 'tag' AS name, tag AS value, id AS job_id FROM job, unnest(tags) AS tag
      UNION
      SELECT 'meta.' || key, value #>> '{}', job_id
        FROM job_definition, jsonb_each(metadata)
       WHERE jsonb_typeof(value) IN ('string', 'number', 'boolean')
      UNION
      SELECT 'meta.' || key, item #>> '{}', job_id
        FROM job_definition, jsonb_each(metadata) AS field (key, items),
             jsonb_array_elements(CASE jsonb_typeof(items) WHEN 'array' THEN items ELSE '[]' END)
             AS item
       WHERE jsonb_typeof(item) IN ('string', 'number', 'boolean')
    ) AS found
   WHERE value <> '' AND length(name) <= 100 AND length(value) <= 200
) AS listed JOIN job ON job.id = listed.job_id
 WHERE position <= 50
"""
COUNTS = (
    """
INSERT INTO queue_length (device_type, waiting, active)
SELECT device_type, count(*) FILTER (WHERE state = 'submitted'),
       count(*) FILTER (WHERE state <> 'submitted')
  FROM job WHERE state <> 'finished' GROUP BY 1
""",
    """
INSERT INTO job_count (subject, name, outcome, jobs, gone, last_ended_at)
SELECT subject, subjects.name, outcome, count(*), 0, max(ended_at)
  FROM job LEFT JOIN device ON device.id = job.device_id,
       LATERAL (VALUES ('device', device.name), ('device_type', job.device_type),
                       ('host', job.host)) AS subjects (subject, name)
 WHERE outcome IS NOT NULL AND subjects.name IS NOT NULL GROUP BY 1, 2, 3
""",
    """
INSERT INTO day_count (day, device_type, host, outcome, error_type, jobs, run_ms, wait_ms,
                       gone, gone_run_ms, gone_wait_ms)
SELECT (timezone('UTC', ended_at))::date, device_type, coalesce(host, ''), outcome,
       coalesce(error_type, ''), count(*),
       sum(floor(extract(epoch FROM ended_at - started_at) * 1000)),
       sum(floor(extract(epoch FROM started_at - submitted_at) * 1000)), 0, 0, 0
  FROM job WHERE outcome IS NOT NULL GROUP BY 1, 2, 3, 4, 5
""",
)


def upgrade() -> None:
    """Move jobs over to audiences; a labq that knows jobs with groups only cannot go on."""
    _create_audiences()
    _create_counts()
    op.add_column("job", sa.Column("audience_id", sa.Integer()))
    op.add_column("job", sa.Column("host", sa.Text()))
    for statement in AUDIENCES:
        op.execute(statement)
    op.alter_column("job", "audience_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_job_audience_id_audience"),
        "job",
        "audience",
        ["audience_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.drop_column("job", "viewing_groups")
    _create_labels()
    for statement in (LABELS, *COUNTS):
        op.execute(statement)
    _drop_indexes(OLD_INDEXES)
    _create_indexes()
    op.execute("UPDATE compatibility SET oldest = '0009'")


def downgrade() -> None:
    """Give jobs their groups back; labels and counts are lost."""
    op.add_column("job", sa.Column("viewing_groups", postgresql.ARRAY(sa.BigInteger())))
    op.execute(
        "UPDATE job SET viewing_groups = audience.groups FROM audience"
        " WHERE audience.id = job.audience_id AND audience.id <> 0"
    )
    for name, _, _ in LISTED:
        op.drop_index(f"ix_job_{name}", "job")
        op.drop_index(f"ix_job_{name}_audience", "job")
    op.drop_index("ix_job_audience", "job")
    op.drop_index("ix_job_submitted_at", "job")
    for name, columns, condition in OLD_INDEXES:
        _create_index(name, columns, condition)
    op.drop_column("job", "audience_id")
    op.drop_column("job", "host")
    for table in (
        "job_label",
        "audience_submitter",
        "audience",
        "count_delta",
        "queue_length",
        "job_count",
        "day_count",
    ):
        op.drop_table(table)
    op.execute("UPDATE compatibility SET oldest = '0008'")


def _create_audiences() -> None:
    op.create_table(
        "audience",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("owner_id", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_audience_owner_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audience")),
    )
    for name, columns, condition in (
        ("uq_audience_groups", ["groups"], "owner_id IS NULL"),
        ("uq_audience_owner_id_groups", ["owner_id", "groups"], "owner_id IS NOT NULL"),
    ):
        op.create_index(name, "audience", columns, unique=True, postgresql_where=sa.text(condition))
    op.create_table(
        "audience_submitter",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("audience_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user.id"],
            name=op.f("fk_audience_submitter_user_id_user"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audience.id"],
            name=op.f("fk_audience_submitter_audience_id_audience"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "audience_id", name=op.f("pk_audience_submitter")),
    )
    op.create_index("ix_audience_submitter_audience_id", "audience_submitter", ["audience_id"])


def _create_labels() -> None:
    op.create_table(
        "job_label",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("audience_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_label_job_id_job"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audience.id"],
            name=op.f("fk_job_label_audience_id_audience"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("name", "value", "job_id", name=op.f("pk_job_label")),
    )
    op.create_index("ix_job_label_job_id", "job_label", ["job_id"])
    op.create_index(
        "ix_job_label_audience", "job_label", ["name", "value", "audience_id", "job_id"]
    )


def _create_counts() -> None:
    op.create_table(
        "count_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("device_type", sa.Text(), nullable=False),
        *(_number(name, sa.Integer(), "0") for name in ("waiting", "active")),
        sa.Column("day", sa.Date()),
        *(
            sa.Column(name, sa.Text(), server_default="", nullable=False)
            for name in ("host", "device", "outcome", "error_type")
        ),
        _number("jobs", sa.Integer(), "0"),
        *(_number(name, sa.BigInteger(), "0") for name in ("run_ms", "wait_ms")),
        _number("gone", sa.Integer(), "0"),
        *(_number(name, sa.BigInteger(), "0") for name in ("gone_run_ms", "gone_wait_ms")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_count_delta")),
    )
    op.create_table(
        "queue_length",
        sa.Column("device_type", sa.Text(), nullable=False),
        *(_number(name, sa.BigInteger()) for name in ("waiting", "active")),
        sa.PrimaryKeyConstraint("device_type", name=op.f("pk_queue_length")),
    )
    keys = ("subject", "name", "outcome")
    op.create_table(
        "job_count",
        *(sa.Column(name, sa.Text(), nullable=False) for name in keys),
        *(_number(name, sa.BigInteger()) for name in ("jobs", "gone")),
        sa.Column("last_ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_job_count")),
    )
    keys = ("device_type", "host", "outcome", "error_type")
    numbers = ("jobs", "run_ms", "wait_ms", "gone", "gone_run_ms", "gone_wait_ms")
    op.create_table(
        "day_count",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in keys),
        *(_number(name, sa.BigInteger()) for name in numbers),
        sa.PrimaryKeyConstraint("day", *keys, name=op.f("pk_day_count")),
    )


def _number(
    name: str, kind: sa.types.TypeEngine[int], default: str | None = None
) -> sa.Column[int]:
    return sa.Column(name, kind, server_default=default, nullable=False)


def _create_indexes() -> None:
    for name, columns, condition in LISTED:
        _create_index(name, [*columns, "id"], condition)
        _create_index(f"{name}_audience", [*columns, "audience_id", "id"], condition)
    _create_index("audience", ["audience_id", "id"], None)
    _create_index("submitted_at", ["submitted_at", "id"], None)


def _create_index(name: str, columns: list[str], condition: str | None) -> None:
    where = None if condition is None else sa.text(condition)
    op.create_index(f"ix_job_{name}", "job", columns, postgresql_where=where)


def _drop_indexes(indexes: tuple[tuple[str, list[str], str | None], ...]) -> None:
    for name, _, _ in indexes:
        op.drop_index(f"ix_job_{name}", "job")
